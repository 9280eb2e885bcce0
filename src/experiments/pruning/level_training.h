// How a level of a pruning curve is trained: the options of its run, an ordinary run with --mask,
// --weights and --start-at, so that it can be repeated, resumed and looked at as any other.
#pragma once

#include <string>

#include "experiments/pruning/curve.h"

namespace unlazy::experiments {

/// imp and random: is a level put back to an earlier checkpoint of the run?
bool is_rewinding(const PruneOptions& options);

/// The weights of a run's newest checkpoint. Throws Error when it has none.
std::string newest_weights(const std::string& run);

/// One level that is to be trained.
struct LevelTraining {
  std::string folder;   // of the level; holds mask.safetensors
  std::string source;   // the run that is pruned
  std::string trained;  // the weights that the last level ended with
};
/// The options of the level's training. `base`: how the run was trained; `experiment`: built from
/// it. For reinit the new initialisation is written, FOLDER/init.safetensors. Throws Error when
/// there is no checkpoint of the step to go back to.
train::TrainOptions level_options(const train::Experiment& experiment,
                                  const train::TrainOptions& base, const PruneOptions& options,
                                  const LevelTraining& level);

}  // namespace unlazy::experiments
