// Training the linearised network: what it is expanded at.
#pragma once

#include <cstdint>
#include <string>

#include "core/options.h"

namespace unlazy::train {

struct TrainOptions;

/// --linearised, --linearise-at, --linearise-bn-samples
struct LineariseOptions {
  int64_t order = 0;  // of the Taylor polynomial that is trained: 1, 2; 0: the network itself
  std::string at;     // RUN or RUN:STEP, a checkpoint; empty: where the network itself starts
  int64_t statistics_samples = 0;  // training images for BatchNorm's statistics at theta0; 0: all
  std::string start_file;  // theta0 and statistics of a run that is there; takes the place of `at`

  bool is_on() const { return order > 0; }
};
OptionTable describe(LineariseOptions& options);

/// theta0 and BatchNorm's statistics, in the folder of a linearised run.
inline constexpr const char* kStartFile = "theta0.safetensors";

/// The file with theta0: start_file, or the weights of the checkpoint `at`; empty: theta0 is where
/// the network itself starts. Throws a misuse Error when there is no such checkpoint, or one of
/// another network.
std::string start_weights(const TrainOptions& options);

/// "RUN:STEP" for RUN, whose newest checkpoint that is; what names a step, or no run, stays.
std::string with_step(const std::string& at);

/// Throws a misuse Error for measurements that mean nothing to a linearised network.
void check_linearised(const TrainOptions& options);

/// "linearised at its start, " or, for a network itself, nothing.
std::string text_of(const LineariseOptions& options);

}  // namespace unlazy::train
