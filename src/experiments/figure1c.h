// Figure 1c: does label noise make a network easier to prune? For each noise rate and seed a
// network is trained and pruned by several protocols; one picture compares them. The paper's
// caption ("pruned model derived from the pretrained model") does not say whether the pruned
// network is trained again. So we draw both: one-shot pruning with and without new BatchNorm
// statistics, and iterative magnitude pruning with rewinding.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "experiments/pruning/curve.h"

namespace unlazy::experiments {

/// --noise-rates, --seeds, --protocols
struct Figure1cOptions {
  std::vector<double> noise_rates = {};  // empty: no sweep
  std::vector<int64_t> seeds = {0};
  std::vector<std::string> protocols = {"one-shot", "one-shot-recalibrated", "imp"};
};
OptionTable describe(Figure1cOptions& options);

/// Trains OUT/tauRATE-seedS, prunes each into OUT/tauRATE-seedS/prune-PROTOCOL, and writes the
/// comparison into OUT. With train.run.resume, finished runs and curves are used as they are.
struct Figure1cResult {
  std::vector<PruningCurve> curves;
  train::Outcome outcome = train::Outcome::kDone;
};
Figure1cResult make_figure1c(const Figure1cOptions& figure, const train::TrainOptions& train,
                             const PruneOptions& prune, const std::string& out,
                             const train::Hooks& hooks);

}  // namespace unlazy::experiments
