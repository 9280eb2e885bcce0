// The settings that a pruning curve was made with, except the seed, to decide whether two curves
// are seeds of one line. They are the resolved options, as config.json holds them, without those
// that change no weight (folders, what is measured or written, where it is computed) and without
// the levels, which are in the curves themselves.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "experiments/pruning/curve.h"

namespace unlazy::experiments {

/// The settings of a curve of the run that `base` describes.
Settings settings_of(train::TrainOptions base, PruneOptions options);

/// The names of the settings that differ within `list`, sorted. A setting that one of them lacks is
/// empty there.
std::vector<std::string> differing(const std::vector<Settings>& list);

}  // namespace unlazy::experiments
