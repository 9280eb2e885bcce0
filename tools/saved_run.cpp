#include "saved_run.h"

#include <algorithm>

#include "core/error.h"
#include "experiments/pruning/curve.h"
#include "train/run_dir.h"

namespace unlazy::tools {

int64_t chosen_checkpoint(const std::string& folder, int64_t step) {
  const auto steps = train::RunDir::checkpoint_steps(folder);
  UNLAZY_CHECK_USAGE(!steps.empty(), folder,
                     ": holds no checkpoint; name the folder of a run of unlazy train");
  if (step < 0) return steps.back();
  std::vector<std::string> known;
  for (const int64_t s : steps) known.push_back(std::to_string(s));
  UNLAZY_CHECK_USAGE(std::find(steps.begin(), steps.end(), step) != steps.end(), folder,
                     ": has no checkpoint of step ", step, "; there are: ", join(known));
  return step;
}

train::TrainOptions options_of_run(const std::string& folder, const ComputeOptions& compute,
                                   bool precision_is_given) {
  auto options = experiments::options_of_run(folder);
  const auto precision = options.compute.precision;
  options.compute = compute;
  if (!precision_is_given) options.compute.precision = precision;
  return options;
}

}  // namespace unlazy::tools
