// What a pruning curve would cost, by a short trial of the network. Nothing is written.
#pragma once

#include <cstdint>
#include <string>

#include "experiments/pruning/curve.h"
#include "train/trial.h"

namespace unlazy::experiments {

struct PruningTrial {
  train::Trial training;          // of the run that is pruned, with its measurements
  bool is_trained = false;        // whether that run is trained first
  int64_t levels = 0;             // densities of the curve
  int64_t trained_levels = 0;     // those of them that are trained
  int64_t steps = 0;              // of each of these
  double evaluation_seconds = 0;  // of a level, with new BatchNorm statistics where asked for
  int64_t level_bytes = 0;        // of masks and weights that a level leaves

  double seconds() const;
  int64_t disk_bytes() const;
};

/// Same arguments and misuse Errors as make_pruning_curve().
PruningTrial try_pruning_curve(const train::TrainOptions& base, const PruneOptions& options,
                               const std::vector<std::string>& sweep = {});

/// "15 levels, 14 of them trained for 62560 steps; 3h 05m, 1.2 GB of disk"
std::string text_of(const PruningTrial& trial);

}  // namespace unlazy::experiments
