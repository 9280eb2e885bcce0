// Accuracy against remaining weights: from a trained network to a curve. A protocol decides what
// happens at each level (protocol.h, and one file here for each protocol).
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "prune/criterion.h"
#include "prune/levels.h"
#include "prune/mask.h"
#include "train/experiment.h"
#include "train/loop.h"

namespace unlazy::experiments {

/// --run, --protocol, ...
struct PruneOptions {
  std::string run;
  std::string protocol = "one-shot";
  std::string filter_score = "l1";
  bool recalibrate_bn = false;
  int64_t recalibrate_batches = 20;
  Step fine_tune = Step::epochs(1);
  Step rewind_to = Step::iterations(0);
  std::string masks_from;
  bool save_weights = false;
  int64_t gradient_batches = 8;
  prune::CriterionOptions criterion;
  prune::LevelOptions levels;
};
std::vector<OptionTable> describe(PruneOptions& options);

/// One density of a curve.
struct CurveLevel {
  double target = 1;              // the density asked for, of the layers that may be pruned
  double density = 1;             // convolution and linear weights left, of all of them
  int64_t weights = 0;            // convolution and linear weights left
  int64_t parameters = 0;         // all parameters left, biases and normalisation included
  int64_t multiply_adds = 0;      // of one image
  double speed_up = 1;            // multiply-adds of the whole network / these: an upper bound
  double loss = 0, accuracy = 0;  // on the test set
  double seconds = 0;             // of pruning and evaluation, not of training
  double images_per_second = 0;   // of evaluation, as measured
  std::vector<prune::LayerCount> layers;
};

/// Option to value, as the user would write it.
using Settings = std::map<std::string, std::string>;

struct PruningCurve {
  std::string run;       // folder or file of the weights
  std::string label;     // "flip 0.1": its name in a comparison
  std::string protocol;  // "one-shot", "one-shot-recalibrated", "imp", ...
  std::string criterion;
  std::string precision;  // of evaluation
  int64_t seed = 0;
  int64_t num_classes = 0;  // of the data; 0: not known
  Settings settings;        // everything else it was made with (pruning_settings.h)
  std::vector<CurveLevel> levels;
};

/// "one-shot-recalibrated", "imp-layer-magnitude": protocol and criterion in one word.
std::string protocol_name(const PruneOptions& options);

/// The folder of a curve when --out is empty: RUN/prune-PROTOCOL, or runs/prune-PROTOCOL-MODEL-...
std::string default_out(const train::TrainOptions& base, const PruneOptions& options);

/// Makes the curve and writes it into the folder `base.run.out` (or default_out()):
///   config.json, curve.json, curve.csv, layers.csv (per-layer densities),
///   level-NN/mask.safetensors
///   level-NN/model.safetensors, with save_weights
///   level-NN/train, a run directory, for protocols that train
/// `base` says how the run was trained. With its --weights and no --run, those weights are pruned;
/// with neither, the network is trained first, in OUT/dense. With base.run.resume an interrupted
/// curve continues: finished trainings and measured levels are kept, and a stopped training is
/// resumed. Throws misuse Errors for options that exclude each other or differ from those that a
/// resumed curve was begun with, and Error for a run without the checkpoint that is needed. When
/// interrupted, the curve has the levels that were done, which are in OUT/unfinished.
/// `sweep`: the protocols of all curves that are made with the same options, which may include
/// options that only another of them reads; empty: this one alone.
struct CurveResult {
  PruningCurve curve;
  train::Outcome outcome = train::Outcome::kDone;
};
CurveResult make_pruning_curve(const train::TrainOptions& base, const PruneOptions& options,
                               const train::Hooks& hooks,
                               const std::vector<std::string>& sweep = {});

/// curve.json, curve.csv and layers.csv.
void write_curve(const std::string& folder, const PruningCurve& curve);
/// Reads curve.json.
PruningCurve read_curve(const std::string& folder);

}  // namespace unlazy::experiments
