// BatchNorm's running statistics under control: left alone by passes in training mode, or collected
// anew. Covers the project's own normalisation layers (models/norm.h).
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

/// Batch statistics without a trace: while one of these lives, layers in training mode still
/// normalise with the batch's statistics but leave the running ones alone. For the second pass of
/// SAM, and for measurements in training mode. `module` must outlive it.
class FrozenStatistics {
 public:
  explicit FrozenStatistics(torch::nn::Module& module);
  ~FrozenStatistics();
  FrozenStatistics(const FrozenStatistics&) = delete;
  FrozenStatistics& operator=(const FrozenStatistics&) = delete;

 private:
  std::vector<std::pair<double, double*>> momenta_;  // value before, place
};

/// Running statistics computed anew: while one of these lives, passes in training mode leave the
/// average of their batches' statistics, each batch weighing as many as its samples, not a moving
/// one. Call next_batch() before each pass. `module` must outlive it.
///   mean      that of all samples, however they were cut into batches
///   variance  the average of the batches' variances, as with torch's momentum=None (which weighs
///             all batches alike): the spread of the batches' means is not in it, a share of
///             1 / (samples of a batch) at most
class AveragedStatistics {
 public:
  explicit AveragedStatistics(torch::nn::Module& module);
  ~AveragedStatistics();
  AveragedStatistics(const AveragedStatistics&) = delete;
  AveragedStatistics& operator=(const AveragedStatistics&) = delete;

  void next_batch(int64_t num_samples);

 private:
  std::vector<std::pair<double, double*>> momenta_;  // value before, place
  int64_t num_samples_ = 0;                          // so far
};

/// Replaces the running statistics of `model` by those of AveragedStatistics over the batches
/// read(0) .. read(num_batches - 1), images [B, C, H, W]. No gradients are recorded; the module's
/// mode is the one before.
void recalibrate(Model& model, int64_t num_batches,
                 const std::function<at::Tensor(int64_t batch)>& read);

}  // namespace unlazy::models
