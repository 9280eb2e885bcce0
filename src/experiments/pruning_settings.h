// What a pruning curve was made with, but for the seed: are two curves seeds of one line? Taken
// from the resolved options, as config.json holds them. Left out are folders, what is only measured
// or written, and where it is computed, which change no weight, and the levels, which the curves
// themselves tell.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "experiments/pruning/curve.h"

namespace unlazy::experiments {

/// The settings of a curve of the run that `base` describes.
Settings settings_of(train::TrainOptions base, PruneOptions options);

/// The names of the settings that are not the same in all of `list`, sorted. A setting that one of
/// them lacks is empty there.
std::vector<std::string> differing(const std::vector<Settings>& list);

}  // namespace unlazy::experiments
