// Controls BatchNorm's running statistics: leave them alone in training mode, or collect them
// again. Covers the project's own normalisation layers (models/norm.h).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace torch::nn {
class Module;
}

namespace unlazy::models {

class Model;

/// A module that keeps running statistics of its own (models/exported), besides models/norm.h.
class RunningStatistics {
 public:
  virtual ~RunningStatistics() = default;
  /// Places of the momenta of the moving averages, and of one number more that is 0 while other
  /// buffers must not change either. 0: the statistics stay.
  virtual std::vector<double*> momenta() = 0;
  /// Are there running statistics at all?
  virtual bool has_statistics() const = 0;
};

/// While one of these lives, layers in training mode still normalise with the statistics of the
/// batch but do not change the running ones. For the second pass of SAM, and for measurements in
/// training mode. `module` must outlive it.
class FrozenStatistics {
 public:
  explicit FrozenStatistics(torch::nn::Module& module);
  ~FrozenStatistics();
  FrozenStatistics(const FrozenStatistics&) = delete;
  FrozenStatistics& operator=(const FrozenStatistics&) = delete;

 private:
  std::vector<std::pair<double, double*>> momenta_;  // value before, place
};

/// Collects the running statistics again. While one of these lives, passes in training mode leave
/// the average of their batches' statistics, weighted by the number of samples, instead of a moving
/// average. Call next_batch() before each pass. `module` must outlive it.
///   mean      that of all samples, however they were cut into batches
///   variance  the average of the batches' variances, as with torch's momentum=None (which gives
///             all batches the same weight). It lacks the spread of the batches' means, which is at
///             most 1 / (samples of a batch) of it.
class AveragedStatistics {
 public:
  explicit AveragedStatistics(torch::nn::Module& module);
  ~AveragedStatistics();
  AveragedStatistics(const AveragedStatistics&) = delete;
  AveragedStatistics& operator=(const AveragedStatistics&) = delete;

  void next_batch(int64_t num_samples);
  /// Does the module have no running statistics?
  bool is_empty() const { return momenta_.empty(); }

 private:
  std::vector<std::pair<double, double*>> momenta_;  // value before, place
  int64_t num_samples_ = 0;                          // so far
};

/// Replaces the running statistics of `model` by those of AveragedStatistics over the batches
/// read(0) .. read(num_batches - 1), images [B, C, H, W]. No gradients are recorded. The mode of
/// the module is restored. Without running statistics, nothing is done.
void recalibrate(Model& model, int64_t num_batches,
                 const std::function<at::Tensor(int64_t batch)>& read);

}  // namespace unlazy::models
