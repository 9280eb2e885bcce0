#include "experiments/pruning/level_training.h"

#include "experiments/pruning/curve_maker.h"
#include "experiments/pruning/pruned_network.h"
#include "prune/select.h"
#include "train/saved_run.h"

namespace unlazy::experiments {

train::Outcome TrainingProtocol::make_levels(CurveMaker& maker, PrunedNetwork& network) const {
  auto trained = maker.trained();
  auto mask = prune::full_mask(network.parameters());
  for (size_t i = 0; i < maker.densities().size(); ++i) {
    const Stopwatch pruning;
    double seconds = 0;
    if (maker.densities()[i] < maker.density_before(i)) {
      mask = next_mask(maker, network, i, mask);
      maker.save_mask(network, i, mask);
      seconds = pruning.seconds();
      auto options = maker.base();
      options.run.mask = maker.level(i) + "/mask.safetensors";
      options.run.checkpoint_at.clear();
      begin(maker.options(), {network.experiment(), maker.level(i), maker.source(), trained},
            options);
      const std::string folder = maker.level(i) + "/train";
      if (maker.run_training(options, folder) == train::Outcome::kInterrupted)
        return train::Outcome::kInterrupted;
      trained = train::newest_weights(folder);
    }
    const Stopwatch watch(seconds);
    network.load(trained);
    if (maker.take_measured(i)) continue;
    network.apply(mask);
    maker.measure(network, i, watch);
  }
  return train::Outcome::kDone;
}

int64_t TrainingProtocol::level_steps(const train::Experiment& run, const PruneOptions& o) const {
  return run.end() - o.rewind_to.in_iterations(run.steps_per_epoch());
}

at::Tensor TrainingProtocol::next_mask(const CurveMaker& maker, PrunedNetwork& network, size_t i,
                                       const at::Tensor& mask) const {
  const auto& levels = maker.options().levels;
  // Powers have the fraction itself, without the rounding of a quotient.
  const bool is_power = levels.densities.empty() && levels.range.empty();
  const double fraction =
      is_power ? levels.fraction : 1 - maker.densities()[i] / maker.density_before(i);
  return prune::next_mask(maker.scores(network), maker.pool(), fraction, mask);
}

}  // namespace unlazy::experiments
