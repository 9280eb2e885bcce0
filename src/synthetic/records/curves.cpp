#include "synthetic/records/curves.h"

#include <algorithm>

#include "core/format.h"
#include "report/text.h"

namespace unlazy::synthetic {

report::Series Curves::series(const std::string& label, int64_t group, double Record::*value,
                              int color) const {
  const auto band = band_over_seeds(results_, group, value);
  report::Series s{.label = label,
                   .x = band.steps,
                   .y = band.mean,
                   .low = band.low,
                   .high = band.high,
                   .color = color};
  // Below nothing a logarithmic axis shows; losses and norms are not negative.
  for (size_t t = 0; t < s.low.size(); ++t) s.low[t] = std::max(s.low[t], 0.05 * s.y[t]);
  return s;
}

report::Panel Curves::panel(const std::string& title, const std::string& y_label,
                            bool log_y) const {
  return panel(title, y_label, log_y, options_.record.spacing == "log");
}

report::Panel Curves::panel(const std::string& title, const std::string& y_label, bool log_y,
                            bool log_x) const {
  report::Panel p{.title = title,
                  .x_label = "Iteration {/:Italic t}",
                  .y_label = y_label,
                  .log_x = log_x,
                  .log_y = log_y};
  p.x_low = log_x ? 1 : 0;
  p.x_high = static_cast<double>(options_.method.steps);
  return p;
}

std::string seeds_text(const SyntheticOptions& options) {
  const auto& seeds = options.method.seed;
  return seeds.size() > 1 ? std::to_string(seeds.size()) + " seeds, mean ± s.d."
                          : "seed " + std::to_string(seeds.at(0));
}

std::string method_text(const SyntheticOptions& options, const RunResult& run) {
  const auto& s = run.setting;
  std::string text = options.method.method +
                     (options.model.family == "diagonal" ? ", diagonal network" : "") +
                     ": η = " + report::power_text(s.lr);
  if (s.sigma > 0) text += ", σ = " + report::power_text(s.sigma);
  if (s.rho > 0) text += ", ρ = " + report::power_text(s.rho);
  if (options.method.batch_size > 1)
    text += ", {/:Italic B} = " + std::to_string(options.method.batch_size);
  if (options.model.family == "linear")
    text += ", {/:Italic m} = " + std::to_string(run.num_neurons);
  text += ", {/:Italic d} = " + std::to_string(run.d) +
          ", ‖θ^*‖ = " + rounded_text(run.teacher_norm, 3);
  text += "; " + seeds_text(options);
  return text;
}

}  // namespace unlazy::synthetic
