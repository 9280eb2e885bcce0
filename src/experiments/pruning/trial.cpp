#include "experiments/pruning/trial.h"

#include <algorithm>

#include "core/error.h"
#include "core/format.h"
#include "experiments/pruning/curve_maker.h"

namespace unlazy::experiments {

// A level that is trained measures what the run does, at the same intervals.
double PruningTrial::seconds() const {
  const auto share =
      static_cast<double>(steps) / static_cast<double>(std::max<int64_t>(training.steps, 1));
  return (is_trained ? training.seconds() : 0) +
         static_cast<double>(trained_levels) * training.seconds() * share +
         static_cast<double>(levels) * evaluation_seconds;
}

// A run in a folder for each level that is trained, and for the network that is trained first.
int64_t PruningTrial::disk_bytes() const {
  return (trained_levels + (is_trained ? 1 : 0)) * training.disk_bytes() + levels * level_bytes;
}

PruningTrial try_pruning_curve(const train::TrainOptions& base, const PruneOptions& options,
                               const std::vector<std::string>& sweep) {
  const train::Hooks hooks;
  const CurveMaker maker(base, options, hooks, sweep);
  auto o = base;
  o.run.weights.clear();  // they change no cost
  auto& names = o.measure.names;
  std::erase_if(names,
                [](const auto& name) { return name == "test" || name.starts_with("test:"); });
  names.insert(names.begin(), "test");  // the first is tried in any case
  PruningTrial trial;
  trial.training = train::try_run(o);
  trial.is_trained = options.run.empty() && base.run.weights.empty();
  const auto& densities = maker.densities();
  trial.levels = static_cast<int64_t>(densities.size());
  trial.evaluation_seconds = trial.training.measurements.at(0).seconds;
  const double forward = trial.training.step_seconds / 3;
  if (options.recalibrate_bn)
    trial.evaluation_seconds += static_cast<double>(options.recalibrate_batches) * forward;
  const auto protocol = pruning_protocols().find(options.protocol).make();
  const int64_t mask = trial.training.parameters;  // a byte a weight
  if (options.save_weights) trial.level_bytes = mask + trial.training.checkpoint_bytes;
  if (!protocol->is_trained()) return trial;
  trial.level_bytes = std::max(trial.level_bytes, mask);
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
         bytes_text(static_cast<double>(t.disk_bytes())) + " of disk for runs and masks";
}

}  // namespace unlazy::experiments
