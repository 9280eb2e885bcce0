// A training step as one CUDA graph. Run eagerly at batch size 128, a ResNet-18 step on a large GPU
// spends its time launching kernels. Compiled only: it has not been run on a GPU yet.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <vector>

namespace unlazy::cuda {

/// Runs a function of device tensors: eagerly at first, then as a captured graph, after copying the
/// inputs into place.
class StepGraph {
 public:
  using Function = std::function<void(const std::vector<at::Tensor>& inputs)>;
  StepGraph();
  ~StepGraph();
  /// `inputs` must have the same dtypes at every call. Inputs of another shape than the captured
  /// one (the last, smaller batch of an epoch) are run eagerly.
  void run(const std::vector<at::Tensor>& inputs, const Function& function);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace unlazy::cuda
