#include "experiments/figure1c.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/format.h"
#include "experiments/pruning_comparison.h"
#include "experiments/pruning_settings.h"

namespace unlazy::experiments {
namespace {

const std::vector<Choice>& panel_protocols() {
  static const std::vector<Choice> list = {
      {"one-shot", "no training after pruning"},
      {"one-shot-recalibrated", "the same with BatchNorm's statistics computed anew"},
      {"fine-tune", "fine-tuned at each level"},
      {"imp", "iterative magnitude pruning with rewinding"},
      {"lr-rewind", "iterative pruning, the schedule rewound"},
      {"random", "as imp with random masks"}};
  return list;
}

PruneOptions with_protocol(PruneOptions options, const std::string& protocol) {
  options.recalibrate_bn = protocol == "one-shot-recalibrated";
  options.protocol = options.recalibrate_bn ? "one-shot" : protocol;
  return options;
}

train::TrainOptions run_options(const train::TrainOptions& base, const PruneOptions& prune,
                                double rate, int64_t seed, const std::string& out) {
  auto options = base;
  options.noise.kind = rate > 0 && base.noise.kind == "none" ? "flip" : base.noise.kind;
  if (rate == 0) options.noise.kind = "none";
  options.noise.rate = rate;
  options.run.seed = seed;
  options.run.checkpoint_at.push_back(prune.rewind_to);
  options.run.out = out + "/tau" + number_text(rate) + "-seed" + std::to_string(seed);
  return options;
}

CurveResult prune_run(const train::TrainOptions& trained, PruneOptions prune,
                      const train::Hooks& hooks) {
  auto base = trained;
  prune.run = trained.run.out;
  base.run.out = default_out(base, prune);
  auto written = base;
  auto table = describe(prune);
  for (auto& part : train::describe(written)) table.push_back(std::move(part));
  return make_pruning_curve(base, prune, Options("prune", std::move(table)).to_json(), hooks);
}

}  // namespace

OptionTable describe(Figure1cOptions& o) {
  return {"Figure 1c",
          {{.name = "noise-rates",
            .target = &o.noise_rates,
            .range = Range::closed(0, 1),
            .help = "Train a network at each of these noise rates (above 0 of kind --noise, or "
                    "flip), prune each by "
                    "every one of --protocols, and compare: Figure 1c."},
           {.name = "seeds",
            .target = &o.seeds,
            .range = Range::at_least(0),
            .help = "With --noise-rates: seeds, a run each; several make a band."},
           {.name = "protocols",
            .target = &o.protocols,
            .help = "With --noise-rates: protocols, a panel each.",
            .choices = panel_protocols()}}};
}

Figure1cResult make_figure1c(const Figure1cOptions& figure, const train::TrainOptions& train,
                             const PruneOptions& prune, const std::string& out,
                             const train::Hooks& hooks) {
  UNLAZY_CHECK_USAGE(
      !figure.noise_rates.empty() && !figure.seeds.empty() && !figure.protocols.empty(),
      "prune: --noise-rates, --seeds and --protocols need an entry each");
  Figure1cResult result;
  for (const double rate : figure.noise_rates) {
    for (const int64_t seed : figure.seeds) {
      const auto options = run_options(train, prune, rate, seed, out);
      if (hooks.on_line) hooks.on_line(options.run.out);
      result.outcome = train::run_unfinished(options, hooks);
      if (result.outcome == train::Outcome::kInterrupted) return result;
      for (const auto& protocol : figure.protocols) {
        if (hooks.on_line) hooks.on_line(options.run.out + ": " + protocol);
        auto curve = prune_run(options, with_protocol(prune, protocol), hooks);
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
