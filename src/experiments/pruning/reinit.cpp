// Reinitialisation: the masks of an imp curve (--masks-from) on a new initialisation, trained from
// the start. The initialisation is written to level-NN/init.safetensors. --criterion and its
// options only name what the masks were made with.
#include "core/error.h"
#include "experiments/pruning/curve_maker.h"
#include "experiments/pruning/level_training.h"
#include "experiments/pruning/pruned_network.h"
#include "models/weights.h"

namespace unlazy::experiments {
namespace {

// Added to the seed for the new initialisation.
constexpr uint64_t kNewInitialisation = 1000;

class Reinit : public TrainingProtocol {
 public:
  std::vector<std::string> options() const override {
    auto names = TrainingProtocol::options();
    names.push_back("masks-from");
    return names;
  }
  bool needs_curve() const override { return true; }
  int64_t level_steps(const train::Experiment& run, const PruneOptions&) const override {
    return run.end();
  }

  void check(const train::TrainOptions& train, const PruneOptions& o) const override {
    UNLAZY_CHECK_USAGE(!train.model.name.starts_with("file:"),
                       "prune: --protocol reinit draws new initial weights, which ",
                       train.model.name, " has not; it begins as it is in the file");
    UNLAZY_CHECK_USAGE(!o.masks_from.empty(),
                       "prune: --protocol reinit needs --masks-from, the folder of an imp curve");
  }

 protected:
  at::Tensor next_mask(const CurveMaker& maker, PrunedNetwork& network, size_t i,
                       const at::Tensor&) const override {
    return prune::load_mask(network.parameters(),
                            level_folder(maker.options().masks_from, i) + "/mask.safetensors");
  }

  void begin(const PruneOptions&, const LevelStart& start,
             train::TrainOptions& train) const override {
    const auto& o = start.experiment.options();
    const auto& data = start.experiment.splits().train;
    const auto model = models::make_model(
        o.model,
        {data.images.size(3), data.images.size(1), data.images.size(2), data.num_classes()},
        static_cast<uint64_t>(o.run.seed) + kNewInitialisation);
    train.run.weights = start.folder + "/init.safetensors";
    models::save_weights(*model, o.model.name, train.run.weights);
  }
};

}  // namespace

std::unique_ptr<Protocol> make_reinit() { return std::make_unique<Reinit>(); }

}  // namespace unlazy::experiments
