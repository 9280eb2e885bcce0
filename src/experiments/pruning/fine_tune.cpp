// Fine-tuning: prune, train for --fine-tune at the learning rate of the run's last step, prune
// further, ... A level has the one-shot size of its density, within the mask of the level before.
#include <algorithm>

#include "experiments/pruning/curve_maker.h"
#include "experiments/pruning/level_training.h"
#include "prune/select.h"

namespace unlazy::experiments {
namespace {

class FineTune : public TrainingProtocol {
 public:
  std::vector<std::string> options() const override {
    auto names = TrainingProtocol::options();
    names.push_back("fine-tune");
    return names;
  }
  int64_t level_steps(const train::Experiment& run, const PruneOptions& o) const override {
    return o.fine_tune.in_iterations(run.steps_per_epoch());
  }

 protected:
  at::Tensor next_mask(const CurveMaker& maker, PrunedNetwork& network, size_t i,
                       const at::Tensor& mask) const override {
    return prune::one_shot_masks(maker.scores(network), maker.pool(), {maker.densities()[i]},
                                 mask)[0];
  }

  void begin(const PruneOptions& o, const LevelStart& start,
             train::TrainOptions& train) const override {
    const auto& e = start.experiment;
    const int64_t per_epoch = e.steps_per_epoch();
    train.schedule = {.lr = e.schedule().lr(std::max<int64_t>(e.end() - 1, 0))};
    train.run.epochs =
        static_cast<double>(o.fine_tune.in_iterations(per_epoch)) / static_cast<double>(per_epoch);
    train.run.max_steps = 0;
    train.run.weights = start.trained;
  }
};

}  // namespace

std::unique_ptr<Protocol> make_fine_tune() { return std::make_unique<FineTune>(); }

}  // namespace unlazy::experiments
