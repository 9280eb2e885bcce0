// A trained network under one mask after another, for a pruning curve to evaluate. Training happens
// in runs of their own; this only loads, masks, recalibrates and evaluates.
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
  /// Builds the network and the data of `options` and loads the file `weights`. The weights, mask
  /// and start of `options` are not used.
  PrunedNetwork(train::TrainOptions options, const std::string& weights);

  /// Loads the weights and statistics that masks are then applied to. Throws Error when the file is
  /// not of this model.
  void load(const std::string& path);
  /// What a criterion sees of the loaded weights. `gradient_batches`: the number of training
  /// batches whose mean loss is differentiated, for criteria that need it (clean labels, no
  /// augmentation, batch statistics).
  prune::Candidate candidate(const prune::Criterion& criterion, int64_t gradient_batches);
  /// Applies the mask to the loaded weights and restores the loaded statistics.
  void apply(const at::Tensor& mask);
  /// Replaces BatchNorm's running statistics by those of the first `num_batches` training batches
  /// (at most an epoch, augmented as in training), like models::recalibrate.
  void recalibrate(int64_t num_batches);
  /// Test loss and accuracy, and the numbers of weights left under the mask. Waits for the device.
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
