#include "experiments/pruning/imp.h"

#include <filesystem>

#include "core/error.h"
#include "train/saved_run.h"

namespace unlazy::experiments {

// The weights of step 0 are the run's own start, which needs no checkpoint.
void Imp::begin(const PruneOptions& o, const LevelStart& start, train::TrainOptions& train) const {
  train.run.start_at = o.rewind_to;
  const int64_t step = o.rewind_to.in_iterations(start.experiment.steps_per_epoch());
  const std::string file = train::weights_of(start.source, step);
  if (std::filesystem::exists(file)) {
    train.run.weights = file;
    return;
  }
  UNLAZY_CHECK(step == 0, start.source, ": has no checkpoint of step ", step,
               " to go back to; train it with --checkpoint-at ", o.rewind_to.text());
}

std::unique_ptr<Protocol> make_imp() { return std::make_unique<Imp>(); }

}  // namespace unlazy::experiments
