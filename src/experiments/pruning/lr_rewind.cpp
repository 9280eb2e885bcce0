// Learning rate rewinding: as imp, but the weights stay and only the schedule goes back to
// --rewind-to (Renda et al. 2020).
#include "experiments/pruning/level_training.h"

namespace unlazy::experiments {
namespace {

class LrRewind : public TrainingProtocol {
 protected:
  void begin(const PruneOptions& o, const LevelStart& start,
             train::TrainOptions& train) const override {
    train.run.start_at = o.rewind_to;
    train.run.weights = start.trained;
  }
};

}  // namespace

std::unique_ptr<Protocol> make_lr_rewind() { return std::make_unique<LrRewind>(); }

}  // namespace unlazy::experiments
