// The densities of a pruning curve: a list, powers (1 - fraction)^k, or evenly spaced on a
// logarithmic axis.
#pragma once

#include <cstdint>
#include <vector>

#include "core/options.h"

namespace unlazy::prune {

/// --levels, --prune-fraction, --densities, --density-range
struct LevelOptions {
  int64_t count = 15;  // including the unpruned network
  double fraction = 0.2;
  std::vector<double> densities = {};  // empty: powers
  std::vector<double> range = {};      // empty, or the first and the last density
};
OptionTable describe(LevelOptions& options);

/// The densities in falling order. Throws a misuse Error for densities outside (0, 1], in rising
/// order, or given twice.
std::vector<double> densities(const LevelOptions& options);

}  // namespace unlazy::prune
