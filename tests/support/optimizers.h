// Every optimizer of the registries, for tests that iterate them.
#pragma once

#include <string>

#include "optim/optimizer.h"

namespace unlazy::testing {

/// Sets `name`: "adamw", "sam", or "sam_adamw" for SAM around it.
inline void choose_optimizer(optim::OptimizerOptions& options, const std::string& name) {
  const auto gap = name.find('_');
  options.name = name.substr(0, gap);
  if (gap != std::string::npos) options.sharpness.base = name.substr(gap + 1);
}

}  // namespace unlazy::testing
