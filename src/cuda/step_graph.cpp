#include "cuda/step_graph.h"

#include <ATen/cuda/CUDAContext.h>
#include <ATen/cuda/CUDAEvent.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <exception>
#include <map>

namespace unlazy::cuda {
namespace {

// PyTorch's own advice: cuDNN's and cuBLAS's lazy set-up must be over before the capture, on the
// stream that is captured, because AccumulateGrad remembers its stream.
constexpr int kWarmupSteps = 3;

bool same_shapes(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i].sizes() != b[i].sizes()) return false;
  }
  return true;
}

struct Kind {
  std::vector<at::Tensor> inputs;  // the addresses that the graph reads
  int num_warm = 0;
  bool has_failed = false;
  std::unique_ptr<at::cuda::CUDAGraph> graph;

  void start(const std::vector<at::Tensor>& first) {
    inputs.clear();
    for (const auto& input : first) inputs.push_back(input.clone());
    num_warm = 0;
    graph.reset();
  }
};

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// Leaves the stream and the allocator as they were before a capture that failed.
void end_failed_capture(std::unique_ptr<at::cuda::CUDAGraph> graph, c10::MempoolId_t pool,
                        const c10::cuda::CUDAStream& stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  if (cudaStreamIsCapturing(stream, &status) != cudaSuccess ||
      status != cudaStreamCaptureStatusNone) {
    cudaGraph_t unusable = nullptr;
    if (cudaStreamEndCapture(stream, &unusable) == cudaSuccess && unusable != nullptr)
      cudaGraphDestroy(unusable);
  }
  cudaGetLastError();  // the failure is told; later checks must not see it again
  try {
    c10::cuda::CUDACachingAllocator::endAllocateToPool(stream.device_index(), pool);
  } catch (const std::exception&) {  // the capture had come that far
  }
  // LibTorch's host allocator may go on asking the graph whether a stream is being captured.
  static_cast<void>(graph.release());
}

}  // namespace

struct StepGraph::State {
  explicit State(c10::Device device) : stream(at::cuda::getStreamFromPool(false, device.index())) {}
  // One stream for all kinds, since their backward passes share the accumulators of the gradients.
  c10::cuda::CUDAStream stream;
  at::cuda::CUDAEvent staged, done;
  std::map<size_t, Kind> kinds;
  std::string problem;

  bool capture(Kind& kind, const Function& function) {
    const auto pool = at::cuda::graph_pool_handle();
    auto graph = std::make_unique<at::cuda::CUDAGraph>();
    try {
      graph->capture_begin(pool);
      function(kind.inputs);
      graph->capture_end();
    } catch (const std::exception& error) {
      problem = first_line(error.what());
      kind.has_failed = true;
      end_failed_capture(std::move(graph), pool, stream);
      return false;
    }
    kind.graph = std::move(graph);
    return true;
  }

  // On the step's stream.
  void run(Kind& kind, const std::vector<at::Tensor>& inputs, const Function& function) {
    if (kind.inputs.empty() || inputs[0].size(0) > kind.inputs[0].size(0)) kind.start(inputs);
    if (kind.has_failed || !same_shapes(inputs, kind.inputs)) {
      function(inputs);
      return;
    }
    for (size_t i = 0; i < inputs.size(); ++i)
      kind.inputs[i].copy_(inputs[i], /*non_blocking=*/true);
    const bool is_warm = kind.num_warm >= kWarmupSteps;
    if (kind.graph || (is_warm && capture(kind, function))) {
      kind.graph->replay();
    } else {
      function(kind.inputs);
      ++kind.num_warm;
    }
  }
};

StepGraph::StepGraph(c10::Device device) : state_(std::make_unique<State>(device)) {}
StepGraph::~StepGraph() = default;
StepGraph::StepGraph(StepGraph&&) noexcept = default;

bool StepGraph::is_captured(size_t kind) const {
  const auto found = state_->kinds.find(kind);
  return found != state_->kinds.end() && found->second.graph != nullptr;
}

const std::string& StepGraph::problem() const { return state_->problem; }

void StepGraph::run(size_t kind, const std::vector<at::Tensor>& inputs, const Function& function) {
  auto& s = *state_;
  const c10::cuda::CUDAGuard device(s.stream.device());
  // The step's stream waits for what staged the inputs, and the caller's stream for the step.
  const auto caller = at::cuda::getCurrentCUDAStream();
  s.staged.record(caller);
  s.staged.block(s.stream);
  {
    const c10::cuda::CUDAStreamGuard stream(s.stream);
    s.run(s.kinds[kind], inputs, function);
    for (const auto& input : inputs) input.record_stream(s.stream);
  }
  s.done.record(s.stream);
  s.done.block(caller);
}

}  // namespace unlazy::cuda
