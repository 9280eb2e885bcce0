// What the commands below `unlazy sweep` share.
#pragma once

#include <string>
#include <vector>

#include "interrupt.h"
#include "sweep/runner.h"
#include "sweep_base.h"

namespace unlazy::tools {

/// Runs points of a sweep, printing what happens. Returns the exit code. Throws Error when a point
/// has failed or is not done.
int run_sweep(const sweep::SweepFolder& folder, const std::vector<sweep::Point>& points,
              const SweepBase& base, const sweep::RunnerOptions& options);

/// The GPUs that runs with these options would use, as RunnerOptions has them: one of all for
/// --device cuda:N. Empty for the CPU.
std::vector<std::string> gpus_for(const SweepBase& base);

}  // namespace unlazy::tools
