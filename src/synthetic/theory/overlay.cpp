#include "synthetic/theory/overlay.h"

#include <algorithm>

#include "synthetic/records/curves.h"
#include "synthetic/theory/predictions.h"

namespace unlazy::synthetic {

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
  report::Figure figure{.name = "overlay", .title = method_text(options, run)};
  Panel norm = curves.panel("Mean norm", "Mean ‖{/:Italic w}_i‖", true);
  norm.series = {curves.series("measured", group, &Record::norm_mean, 0),
                 {.label = "Phase I",
                  .x = phase.step,
                  .y = phase.norm,
                  .style = Series::Style::kDashed,
                  .color = 1},
                 line("plateau", plateau.norm)};
  Panel loss = curves.panel("Training loss", "Loss", true);
  loss.series = {curves.series("measured", group, &Record::train_loss, 0),
                 {.label = "Phase I",
                  .x = phase.step,
                  .y = phase.loss,
                  .style = Series::Style::kDashed,
                  .color = 1}};
  Panel outer = curves.panel("Second layer", "Mean |{/:Italic a}_i|", false);
  outer.y_low = 0;
  outer.series = {curves.series("measured", group, &Record::a_abs_mean, 0),
                  line("plateau", plateau.a)};
  figure.panels = {norm, loss, outer};
  return figure;
}

}  // namespace unlazy::synthetic
