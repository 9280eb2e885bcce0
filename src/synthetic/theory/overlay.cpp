#include "synthetic/theory/overlay.h"

#include <algorithm>
#include <string>

#include "synthetic/records/curves.h"
#include "synthetic/theory/predictions.h"

namespace unlazy::synthetic {

namespace {

// The dashed lines by their equations (predictions.h), in the learning rate that the user gave: for
// the loss r^2 it acts twice.
struct Equations {
  std::string norm, loss, plateau_norm, plateau_a;
};
Equations equations_of(const SyntheticOptions& options) {
  const bool is_full = options.method.loss == "full";
  const std::string q = "{/:Italic q}", root = "√{/:Italic d}";
  return {"Phase I: ln({/:Italic q}_0/" + q + ") − " + (is_full ? "" : "½ ") +
              "η({/:Italic q}_0 − " + q + ") = " + (is_full ? "4" : "") + "η^2σ^2{/:Italic t}",
          is_full ? "Phase I: σ^2η" + q + " / (1 − η" + q + ")"
                  : "Phase I: σ^2η" + q + " / (4 − 2η" + q + ")",
          "plateau: √(2‖θ^*‖" + root + " / π{/:Italic m})",
          "plateau: √(2‖θ^*‖ / π{/:Italic m}" + root + ")"};
}

}  // namespace

std::optional<report::Figure> overlay_figure(const SyntheticOptions& options,
                                             const std::vector<RunResult>& results) {
  using report::Panel;
  using report::Series;
  const auto& run = results.front();
  if (!has_phase_one(options, run) || run.snapshots.empty()) return std::nullopt;
  const Curves curves(options, results);
  const int64_t group = run.setting.group;
  const auto phase = phase_one(options, run);
  const auto plateau = plateau_of(run);
  const auto line = [&](const std::string& label, double y) {
    return Series{.label = label,
                  .x = {std::max(1.0, 0.02 * static_cast<double>(options.method.steps)),
                        static_cast<double>(options.method.steps)},
                  .y = {y, y},
                  .style = Series::Style::kDashed,
                  .color = report::kGray};
  };
  const auto equations = equations_of(options);
  const int64_t num_settings = results.back().setting.group + 1;
  report::Figure figure{
      .name = "overlay",
      .title = (num_settings > 1 ? "setting 1 of " + std::to_string(num_settings) + "; " : "") +
               method_text(options, run)};
  Panel norm =
      curves.panel("Mean norm; {/:Italic q} = ‖{/:Italic W}‖_F^2", "Mean ‖{/:Italic w}_i‖", true);
  norm.series = {curves.series("measured", group, &Record::norm_mean, 0),
                 line(equations.plateau_norm, plateau.norm),
                 {.label = equations.norm,
                  .x = phase.step,
                  .y = phase.norm,
                  .style = Series::Style::kDashed,
                  .color = 1}};
  Panel loss = curves.panel("Training loss", "Loss", true);
  loss.series = {curves.series("measured", group, &Record::train_loss, 0),
                 {.label = equations.loss,
                  .x = phase.step,
                  .y = phase.loss,
                  .style = Series::Style::kDashed,
                  .color = 1}};
  Panel outer = curves.panel("Second layer", "Mean |{/:Italic a}_i|", false);
  outer.y_low = 0;
  outer.series = {curves.series("measured", group, &Record::a_abs_mean, 0),
                  line(equations.plateau_a, plateau.a)};
  figure.panels = {norm, loss, outer};
  return figure;
}

}  // namespace unlazy::synthetic
