// A training step as one CUDA graph. Run eagerly at batch size 128, a ResNet-18 step on a large GPU
// spends its time launching kernels.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace unlazy::cuda {

/// Runs a function of tensors of one CUDA device on a stream of its own: eagerly at first, then as
/// a captured graph, after copying the inputs into place. A capture that fails ends no run: from
/// then on that kind of step is run eagerly.
class StepGraph {
 public:
  using Function = std::function<void(const std::vector<at::Tensor>& inputs)>;
  explicit StepGraph(c10::Device device);
  ~StepGraph();
  StepGraph(StepGraph&&) noexcept;
  /// `kind` (0, 1, ..) tells functions apart that run other operations: each has its own graph. The
  /// inputs of one kind must have the same dtypes at every call. The greatest first size of the
  /// first input is the usual one; other shapes (the last, smaller batch of an epoch) are run
  /// eagerly.
  void run(size_t kind, const std::vector<at::Tensor>& inputs, const Function& function);

  /// Whether steps of this kind are replayed.
  bool is_captured(size_t kind) const;
  /// Why a capture failed; empty where none did.
  const std::string& problem() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace unlazy::cuda
