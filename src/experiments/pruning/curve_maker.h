// A pruning curve while it is made: its folder, the network that is pruned, and what existed before
// an interrupt. A protocol makes the levels themselves and gets this object.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "core/stopwatch.h"
#include "experiments/pruning/curve.h"
#include "experiments/pruning/protocol.h"
#include "prune/select.h"
#include "train/run_dir.h"

namespace unlazy::experiments {

/// The folder of a level of the curve in the folder `curve`, CURVE/level-NN.
std::string level_folder(const std::string& curve, size_t level);

class CurveMaker {
 public:
  /// Same arguments and misuse Errors as make_pruning_curve(). `hooks` must outlive this.
  CurveMaker(const train::TrainOptions& base, const PruneOptions& options,
             const train::Hooks& hooks, const std::vector<std::string>& sweep);

  CurveResult make();

  // For protocols, while make() runs:

  /// How the run that is pruned was trained.
  const train::TrainOptions& base() const { return base_; }
  const PruneOptions& options() const { return o_; }
  const std::vector<double>& densities() const { return densities_; }
  /// The density of the level before `i`: 1 for the first.
  double density_before(size_t i) const { return i == 0 ? 1 : densities_[i - 1]; }
  /// The folder of the run that is pruned; empty when it is a file of weights.
  const std::string& source() const { return source_; }
  /// The file of the trained weights.
  const std::string& trained() const { return trained_; }
  /// The folder of level `i`.
  std::string level(size_t i) const { return level_folder(out_, i); }

  /// [num_weights] the criterion's scores of the network's loaded weights.
  at::Tensor scores(PrunedNetwork& network) const;
  const prune::Pool& pool() const { return pool_; }

  bool should_stop() const { return hooks_.should_stop && hooks_.should_stop(); }
  /// Uses level `i` as it was measured before an interrupt; false if it was not measured.
  bool take_measured(size_t i);
  /// Trains a run in `folder`. With --resume it continues, and a finished one is left alone.
  train::Outcome run_training(train::TrainOptions options, const std::string& folder);
  /// Writes level-NN/mask.safetensors.
  void save_mask(PrunedNetwork& network, size_t i, const at::Tensor& mask) const;
  /// Evaluates the network as level `i`, after its mask was applied, and adds the level; writes its
  /// weights with --save-weights. `watch` has been running since the level was begun.
  void measure(PrunedNetwork& network, size_t i, const Stopwatch& watch);
  /// Adds a level to the curve, and to the file of the levels so far.
  void add_level(CurveLevel level);

 private:
  Options all_options();
  int64_t source_step() const;
  void check_same_curve();
  bool is_finished();
  train::RunDir open();
  train::Outcome train_first();
  std::string unfinished() const { return out_ + "/unfinished"; }
  void say(const std::string& line) const;

  train::TrainOptions base_;
  PruneOptions o_;
  const train::Hooks& hooks_;
  std::string out_;
  std::vector<double> densities_;
  std::unique_ptr<Protocol> protocol_;
  std::unique_ptr<prune::Criterion> criterion_;
  std::string source_, trained_;
  prune::Pool pool_;
  std::vector<CurveLevel> measured_;  // before the interrupt
  PruningCurve curve_;
};

}  // namespace unlazy::experiments
