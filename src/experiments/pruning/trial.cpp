#include "experiments/pruning/trial.h"

#include <algorithm>

#include "core/error.h"
#include "core/format.h"
#include "experiments/pruning/curve_maker.h"

namespace unlazy::experiments {

double PruningTrial::seconds() const {
  return (is_trained ? training.training_seconds() : 0) +
         static_cast<double>(trained_levels * steps) * training.step_seconds +
         static_cast<double>(levels) * evaluation_seconds;
}

// A run in a folder for each level that is trained, and for the network that is trained first.
int64_t PruningTrial::disk_bytes() const {
  return (trained_levels + (is_trained ? 1 : 0)) * training.disk_bytes();
}

PruningTrial try_pruning_curve(const train::TrainOptions& base, const PruneOptions& options,
                               const std::vector<std::string>& sweep) {
  const train::Hooks hooks;
  const CurveMaker maker(base, options, hooks, sweep);
  auto o = base;
  o.measure.names = {"test"};
  PruningTrial trial;
  trial.training = train::try_run(o);
  trial.evaluation_seconds = trial.training.measurements.at(0).seconds;
  trial.is_trained = options.run.empty() && base.run.weights.empty();
  const auto& densities = maker.densities();
  trial.levels = static_cast<int64_t>(densities.size());
  const auto protocol = pruning_protocols().find(options.protocol).make();
  if (!protocol->is_trained()) return trial;
  for (size_t i = 0; i < densities.size(); ++i)
    trial.trained_levels += densities[i] < maker.density_before(i) ? 1 : 0;
  trial.steps = protocol->level_steps(train::Experiment(o), options);
  return trial;
}

std::string text_of(const PruningTrial& t) {
  std::string text = internal::concat(t.levels, t.levels == 1 ? " level" : " levels");
  if (t.trained_levels > 0)
    text += internal::concat(", ", t.trained_levels, " of them trained for ", t.steps, " steps");
  if (t.is_trained)
    text += internal::concat(", after training the network for ", t.training.steps, " steps");
  return text + "; " + duration_text(t.seconds()) + ", " +
         bytes_text(static_cast<double>(t.disk_bytes())) + " of disk for runs";
}

}  // namespace unlazy::experiments
