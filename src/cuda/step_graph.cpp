#include "cuda/step_graph.h"

#include <ATen/cuda/CUDAContext.h>
#include <ATen/cuda/CUDAEvent.h>
#include <ATen/cuda/CUDAGraph.h>
#include <ATen/ops/empty_like.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <algorithm>
#include <exception>
#include <map>
#include <vector>

namespace unlazy::cuda {
namespace {

// PyTorch's own advice: cuDNN's and cuBLAS's lazy set-up must be over before the capture, on the
// stream that is captured, because AccumulateGrad remembers its stream.
constexpr int kWarmupSteps = 3;

struct Kind {
  at::Tensor block;  // on the device; the address that the graph reads
  int num_warm = 0;
  bool has_failed = false;
  std::unique_ptr<at::cuda::CUDAGraph> graph;

  void start(const at::Tensor& host, c10::Device device) {
    block = at::empty_like(host, host.options().device(device).pinned_memory(false));
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
  // One pool too: a step leaves nothing in it that the next one reads, and steps never overlap.
  c10::MempoolId_t pool = at::cuda::graph_pool_handle();
  at::cuda::CUDAEvent called, done;
  std::map<size_t, Kind> kinds;
  std::string problem;

  bool capture(Kind& kind, const Function& function) {
    auto graph = std::make_unique<at::cuda::CUDAGraph>(/*keep_graph=*/true);
    try {
      graph->capture_begin(pool);
      function(kind.block);
      graph->capture_end();
      graph->instantiate();
    } catch (const std::exception& error) {
      problem = first_line(error.what());
      kind.has_failed = true;
      end_failed_capture(std::move(graph), pool, stream);
      pool = at::cuda::graph_pool_handle();
      return false;
    }
    kind.graph = std::move(graph);
    return true;
  }

  // On the step's stream.
  void run(Kind& kind, const at::Tensor& host, const Function& function) {
    if (!kind.block.defined() || host.numel() > kind.block.numel())
      kind.start(host, stream.device());
    if (kind.has_failed || host.numel() != kind.block.numel()) {
      function(host.to(stream.device(), /*non_blocking=*/true));
      return;
    }
    kind.block.copy_(host, /*non_blocking=*/true);
    const bool is_warm = kind.num_warm >= kWarmupSteps;
    if (kind.graph || (is_warm && capture(kind, function))) {
      kind.graph->replay();
    } else {
      function(kind.block);
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

int64_t StepGraph::num_kernels(size_t kind) const {
  if (!is_captured(kind)) return 0;
  const cudaGraph_t graph = state_->kinds.at(kind).graph->raw_cuda_graph();
  size_t count = 0;
  C10_CUDA_CHECK(cudaGraphGetNodes(graph, nullptr, &count));
  std::vector<cudaGraphNode_t> nodes(count);
  C10_CUDA_CHECK(cudaGraphGetNodes(graph, nodes.data(), &count));
  return std::count_if(nodes.begin(), nodes.end(), [](cudaGraphNode_t node) {
    cudaGraphNodeType type = cudaGraphNodeTypeEmpty;
    C10_CUDA_CHECK(cudaGraphNodeGetType(node, &type));
    return type == cudaGraphNodeTypeKernel;
  });
}

void StepGraph::run(size_t kind, const at::Tensor& host, const Function& function) {
  auto& s = *state_;
  const c10::cuda::CUDAGuard device(s.stream.device());
  // The step's stream waits for what the caller's did, and the caller's stream for the step.
  const auto caller = at::cuda::getCurrentCUDAStream();
  s.called.record(caller);
  s.called.block(s.stream);
  {
    const c10::cuda::CUDAStreamGuard stream(s.stream);
    s.run(s.kinds[kind], host, function);
  }
  s.done.record(s.stream);
  s.done.block(caller);
}

}  // namespace unlazy::cuda
