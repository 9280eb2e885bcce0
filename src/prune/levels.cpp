#include "prune/levels.h"

#include <cmath>

#include "core/error.h"
#include "prune/select.h"

namespace unlazy::prune {

OptionTable describe(LevelOptions& o) {
  return {"Levels",
          {{.name = "levels",
            .target = &o.count,
            .range = Range::at_least(1),
            .help = "Number of densities, including that of the unpruned network: (1 - "
                    "prune-fraction)^k for k = 0, 1, ...",
            .role = Role::kPart,
            .is_common = true},
           {.name = "prune-fraction",
            .target = &o.fraction,
            .range = Range::closed(0.001, 0.999),
            .help = "Fraction of the remaining weights that a level prunes."},
           {.name = "densities",
            .target = &o.densities,
            .range = Range::left_open(0, 1),
            .help = "The densities in falling order, instead of --levels: 1,0.5,0.1.",
            .role = Role::kPart,
            .is_common = true},
           {.name = "density-range",
            .target = &o.range,
            .range = Range::left_open(0, 1),
            .help = "First and last of --levels densities that are evenly spaced on a logarithmic "
                    "axis, such as 1,0.01.",
            .role = Role::kPart}}};
}

std::vector<double> densities(const LevelOptions& o) {
  UNLAZY_CHECK_USAGE(o.densities.empty() || o.range.empty(),
                     "prune: --densities and --density-range exclude each other");
  UNLAZY_CHECK_USAGE(o.range.empty() || o.range.size() == 2,
                     "prune: --density-range wants two densities, the first and the last, got ",
                     o.range.size());
  std::vector<double> list = o.densities;
  if (list.empty()) {
    const double last = static_cast<double>(std::max<int64_t>(o.count - 1, 1));
    for (int64_t k = 0; k < o.count; ++k) {
      const auto at = static_cast<double>(k);
      list.push_back(o.range.empty() ? std::pow(1 - o.fraction, at)
                                     : o.range[0] * std::pow(o.range[1] / o.range[0], at / last));
    }
  }
  check_densities(list);
  return list;
}

}  // namespace unlazy::prune
