// Batch statistics without a trace: while one of these lives, normalisation layers in training mode
// still normalise with the batch's statistics but leave the running ones alone. For the second pass
// of SAM, and for measurements in training mode.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace torch::nn {
class Module;
}

namespace unlazy::models {

/// Covers the project's own normalisation layers (models/norm.h) below `module`, which must outlive
/// it.
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
/// plain average of their batches' statistics (torch's momentum=None), not a moving one. For the
/// same layers. Call next_batch() before each pass.
class AveragedStatistics {
 public:
  explicit AveragedStatistics(torch::nn::Module& module);
  ~AveragedStatistics();
  AveragedStatistics(const AveragedStatistics&) = delete;
  AveragedStatistics& operator=(const AveragedStatistics&) = delete;

  void next_batch();

 private:
  std::vector<std::pair<double, double*>> momenta_;  // value before, place
  int64_t num_batches_ = 0;
};

}  // namespace unlazy::models
