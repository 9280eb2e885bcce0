// A trained network under one mask after another: what a pruning curve evaluates. Training happens
// in runs of their own; this one only loads, masks, recalibrates and evaluates.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "experiments/pruning/curve.h"
#include "prune/criterion.h"
#include "train/experiment.h"

namespace unlazy::experiments {

class PrunedNetwork {
 public:
  /// Builds the network and the data of `options`, whose weights, mask and start are not used, and
  /// loads the file `weights`.
  PrunedNetwork(train::TrainOptions options, const std::string& weights);

  /// Weights and statistics of a file become what masks are applied to. Throws Error when the file
  /// does not hold this model's.
  void load(const std::string& path);
  /// What a criterion sees of the loaded weights. `gradient_batches`: batches of the training set
  /// whose mean loss is differentiated, for criteria that need it (clean labels, no augmentation,
  /// batch statistics).
  prune::Candidate candidate(const prune::Criterion& criterion, int64_t gradient_batches);
  /// Puts the loaded weights and statistics under the mask.
  void apply(const at::Tensor& mask);
  /// Replaces BatchNorm's running statistics by those of the first `num_batches` training batches
  /// (at most an epoch, augmented as in training), as models::recalibrate.
  void recalibrate(int64_t num_batches);
  /// Test loss and accuracy, and what is left under the mask that was applied. Waits for the
  /// device.
  CurveLevel evaluate(double target);
  /// Writes the masked weights and statistics.
  void save(const std::string& path);

  train::Experiment& experiment() { return experiment_; }
  optim::FlatParameters& parameters() { return experiment_.parameters(); }

 private:
  at::Tensor gradients(int64_t num_batches);

  train::Experiment experiment_;
  at::Tensor values_;                   // [P] loaded
  std::vector<at::Tensor> statistics_;  // buffers, loaded
  std::vector<int64_t> positions_;      // output positions of each layer
};

}  // namespace unlazy::experiments
