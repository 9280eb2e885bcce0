#include "experiments/pruning/level_training.h"

#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "models/weights.h"
#include "train/run_dir.h"

namespace unlazy::experiments {
namespace {

namespace fs = std::filesystem;

// Added to the seed for the new initialisation of reinit.
constexpr uint64_t kNewInitialisation = 1000;

std::string weights_of(const std::string& run, int64_t step) {
  return train::RunDir::checkpoint(run, step) + "/model.safetensors";
}

// The learning rate of the last step, for as long as asked.
void fine_tune(const train::Experiment& experiment, const Step& length,
               train::TrainOptions& options) {
  const int64_t per_epoch = experiment.steps_per_epoch();
  options.schedule.lr = experiment.schedule().lr(std::max<int64_t>(experiment.end() - 1, 0));
  options.schedule.kind = "constant";
  options.schedule.milestones.clear();
  options.schedule.warmup = Step::iterations(0);
  options.run.epochs =
      static_cast<double>(length.in_iterations(per_epoch)) / static_cast<double>(per_epoch);
  options.run.max_steps = 0;
}

void reinitialize(const train::Experiment& experiment, const std::string& path) {
  const auto& o = experiment.options();
  const auto& train = experiment.splits().train;
  const auto model = models::make_model(
      o.model,
      {train.images.size(3), train.images.size(1), train.images.size(2), train.num_classes()},
      static_cast<uint64_t>(o.run.seed) + kNewInitialisation);
  models::save_weights(*model, o.model.name, path);
}

// The weights of step 0 are the run's own start, which needs no checkpoint.
void rewind(const train::Experiment& experiment, const Step& to, const std::string& run,
            train::TrainOptions& options) {
  const int64_t step = to.in_iterations(experiment.steps_per_epoch());
  const std::string file = weights_of(run, step);
  if (fs::exists(file)) {
    options.run.weights = file;
    return;
  }
  UNLAZY_CHECK(step == 0, run, ": has no checkpoint of step ", step,
               " to go back to; train it with --checkpoint-at ", to.text());
}

}  // namespace

bool is_rewinding(const PruneOptions& o) { return o.protocol == "imp" || o.protocol == "random"; }

std::string newest_weights(const std::string& run) {
  const auto steps = train::RunDir::checkpoint_steps(run);
  UNLAZY_CHECK(!steps.empty(), run, ": has no checkpoint to prune; train it first");
  return weights_of(run, steps.back());
}

train::TrainOptions level_options(const train::Experiment& experiment,
                                  const train::TrainOptions& base, const PruneOptions& o,
                                  const LevelTraining& level) {
  auto options = base;
  options.run.mask = level.folder + "/mask.safetensors";
  options.run.checkpoint_at.clear();
  if (o.protocol == "fine-tune") {
    fine_tune(experiment, o.fine_tune, options);
    options.run.weights = level.trained;
    return options;
  }
  if (o.protocol == "reinit") {
    options.run.weights = level.folder + "/init.safetensors";
    reinitialize(experiment, options.run.weights);
    return options;
  }
  options.run.start_at = o.rewind_to;
  if (is_rewinding(o)) {
    rewind(experiment, o.rewind_to, level.source, options);
  } else {
    options.run.weights = level.trained;
  }
  return options;
}

}  // namespace unlazy::experiments
