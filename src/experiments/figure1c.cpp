#include "experiments/figure1c.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/format.h"
#include "experiments/pruning/protocol.h"
#include "experiments/pruning_comparison.h"
#include "experiments/pruning_settings.h"
#include "train/saved_run.h"

namespace unlazy::experiments {
namespace {

train::TrainOptions run_options(const train::TrainOptions& base, const PruneOptions& prune,
                                double rate, int64_t seed, const std::string& out) {
  auto options = base;
  options.noise.kind = rate > 0 && base.noise.kind == "none" ? "flip" : base.noise.kind;
  options.noise.rate = rate;
  if (rate == 0) options.noise = {};
  options.run.seed = seed;
  options.run.checkpoint_at.push_back(prune.rewind_to);
  options.run.out = out + "/tau" + number_text(rate) + "-seed" + std::to_string(seed);
  return options;
}

CurveResult prune_run(const train::TrainOptions& trained, PruneOptions prune,
                      const std::vector<std::string>& sweep, const train::Hooks& hooks) {
  auto base = trained;
  prune.run = trained.run.out;
  base.run.out = default_out(base, prune);
  return make_pruning_curve(base, prune, hooks, sweep);
}

}  // namespace

OptionTable describe(Figure1cOptions& o) {
  return {"Figure 1c",
          {{.name = "noise-rates",
            .target = &o.noise_rates,
            .range = Range::closed(0, 1),
            .help = "Draw Figure 1c: train a network at each of these noise rates (noise of kind "
                    "--noise, or flip), prune each with every one of --protocols, and compare.",
            .role = Role::kPart,
            .is_common = true},
           {.name = "seeds",
            .target = &o.seeds,
            .range = Range::at_least(0),
            .help = "With --noise-rates: the seeds, one run each; several are drawn as a band.",
            .role = Role::kPart,
            .only_for = {{"noise-rates", {}}},
            .is_common = true},
           {.name = "protocols",
            .target = &o.protocols,
            .help = "With --noise-rates: the protocols, one panel each.",
            .choices = panel_protocols(),
            .role = Role::kPart,
            .only_for = {{"noise-rates", {}}},
            .is_common = true}}};
}

Figure1cResult make_figure1c(const Figure1cOptions& figure, const train::TrainOptions& train,
                             const PruneOptions& prune, const std::string& out,
                             const train::Hooks& hooks) {
  UNLAZY_CHECK_USAGE(
      !figure.noise_rates.empty() && !figure.seeds.empty() && !figure.protocols.empty(),
      "prune: --noise-rates, --seeds and --protocols need an entry each");
  std::vector<std::string> protocols;
  for (const auto& panel : figure.protocols) protocols.push_back(with_panel(prune, panel).protocol);
  check_options(prune, protocols);
  Figure1cResult result;
  for (const double rate : figure.noise_rates) {
    for (const int64_t seed : figure.seeds) {
      const auto options = run_options(train, prune, rate, seed, out);
      if (hooks.on_line) hooks.on_line(options.run.out);
      result.outcome = train::run_training(options, hooks, train::Sameness::kExact);
      if (result.outcome == train::Outcome::kInterrupted) return result;
      for (const auto& panel : figure.protocols) {
        if (hooks.on_line) hooks.on_line(options.run.out + ": " + panel);
        auto curve = prune_run(options, with_panel(prune, panel), protocols, hooks);
        result.outcome = curve.outcome;
        if (result.outcome == train::Outcome::kInterrupted) return result;
        result.curves.push_back(std::move(curve.curve));
      }
    }
  }
  write_comparison(out, "fig1c", result.curves);
  return result;
}

}  // namespace unlazy::experiments
