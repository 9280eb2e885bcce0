// A training step as one CUDA graph. Run eagerly at batch size 128, a ResNet-18 step on a large GPU
// spends its time launching kernels.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace unlazy::cuda {

/// Runs a function of one tensor on a stream of its own: eagerly at first, then as a captured graph.
/// The tensor comes from the host, and is copied to the device before each run. A capture that
/// fails ends no run: from then on that kind of step is run eagerly.
class StepGraph {
 public:
  using Function = std::function<void(const at::Tensor& block)>;
  explicit StepGraph(c10::Device device);
  ~StepGraph();
  StepGraph(StepGraph&&) noexcept;
  /// `kind` (0, 1, ..) tells functions apart that run other operations: each has its own graph.
  /// `host` [n] is in pinned memory, so that nothing waits for its copy; one kind has one dtype at
  /// every call. The greatest n is the usual one; others (the last, smaller batch of an epoch) are
  /// run eagerly. `function` gets the copy.
  void run(size_t kind, const at::Tensor& host, const Function& function);

  /// Whether steps of this kind are replayed.
  bool is_captured(size_t kind) const;
  /// The kernels in the graph of this kind; 0 where it has none.
  int64_t num_kernels(size_t kind) const;
  /// Why a capture failed; empty where none did.
  const std::string& problem() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace unlazy::cuda
