#include "cuda/step_graph.h"

#include <ATen/cuda/CUDAContext.h>
#include <ATen/cuda/CUDAEvent.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

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

}  // namespace

struct StepGraph::State {
  c10::cuda::CUDAStream stream = at::cuda::getStreamFromPool();
  at::cuda::CUDAGraph graph;
  std::vector<at::Tensor> inputs;  // the addresses that the graph reads
  int num_warm = 0;
  bool is_captured = false;
};

StepGraph::StepGraph() : state_(std::make_unique<State>()) {}
StepGraph::~StepGraph() = default;

void StepGraph::run(const std::vector<at::Tensor>& inputs, const Function& function) {
  auto& s = *state_;
  if (s.inputs.empty()) {
    for (const auto& input : inputs) s.inputs.push_back(input.clone());
  }
  // The step's stream waits for what staged the inputs, and the caller's stream for the step.
  const auto caller = at::cuda::getCurrentCUDAStream();
  at::cuda::CUDAEvent staged, done;
  staged.record(caller);
  staged.block(s.stream);
  {
    c10::cuda::CUDAStreamGuard guard(s.stream);
    if (!same_shapes(inputs, s.inputs)) {
      function(inputs);
    } else {
      for (size_t i = 0; i < inputs.size(); ++i)
        s.inputs[i].copy_(inputs[i], /*non_blocking=*/true);
      if (s.is_captured) {
        s.graph.replay();
      } else if (s.num_warm < kWarmupSteps) {
        function(s.inputs);
        ++s.num_warm;
      } else {
        s.graph.capture_begin();
        function(s.inputs);
        s.graph.capture_end();
        s.is_captured = true;
        s.graph.replay();
      }
    }
    for (const auto& input : inputs) input.record_stream(s.stream);
  }
  done.record(s.stream);
  done.block(caller);
}

}  // namespace unlazy::cuda
