// One-shot: theta(T) is pruned to each density and evaluated. With --recalibrate-bn the running
// statistics of BatchNorm, which no longer fit a pruned network, are first recomputed on training
// data. All densities share one sort of the scores (prune/select.h).
#include "experiments/pruning/curve_maker.h"
#include "experiments/pruning/pruned_network.h"
#include "prune/select.h"

namespace unlazy::experiments {
namespace {

class OneShot : public Protocol {
 public:
  train::Outcome make_levels(CurveMaker& maker, PrunedNetwork& network) const override {
    const auto& o = maker.options();
    const Stopwatch sorting;
    const auto masks =
        prune::one_shot_masks(maker.scores(network), maker.pool(), maker.densities());
    // The one sort is shared out among the levels.
    const double share = sorting.seconds() / static_cast<double>(masks.size());
    for (size_t i = 0; i < masks.size(); ++i) {
      if (maker.take_measured(i)) continue;
      if (maker.should_stop()) return train::Outcome::kInterrupted;
      const Stopwatch watch(share);
      network.apply(masks[i]);
      if (o.recalibrate_bn) network.recalibrate(o.recalibrate_batches);
      if (o.save_weights) maker.save_mask(network, i, masks[i]);
      maker.measure(network, i, watch);
    }
    return train::Outcome::kDone;
  }

  std::vector<std::string> options() const override {
    return {"criterion", "keep-first", "keep-last", "recalibrate-bn", "recalibrate-batches"};
  }
};

}  // namespace

std::unique_ptr<Protocol> make_one_shot() { return std::make_unique<OneShot>(); }

}  // namespace unlazy::experiments
