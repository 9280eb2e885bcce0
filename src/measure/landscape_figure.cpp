#include "measure/landscape_figure.h"

#include <algorithm>
#include <cmath>

#include "report/text.h"

namespace unlazy::measure {
namespace {

using report::Panel;
using report::Series;

std::string capitalized(const std::string& split) { return split == "test" ? "Test" : "Training"; }

std::vector<double> percent(std::vector<double> fractions) {
  for (double& value : fractions) value *= 100;
  return fractions;
}

// Shown by the logarithm: values that differ by a factor, none of them 0.
bool is_wide(const std::vector<double>& values) {
  double low = HUGE_VAL, high = 0;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  return low > 0 && high > 5 * low;
}

}  // namespace

report::Figure line_figure(const std::string& name, const std::string& from, const std::string& to,
                           const std::vector<double>& steps, const Landscape::Line& line) {
  const auto panel_of = [&](const std::string& title, const std::string& y_label,
                            const std::vector<double>& train, const std::vector<double>& test) {
    Panel panel{.title = title,
                .x_label = "Position {/:Italic a} on the line",
                .y_label = y_label,
                .x_low = steps.front(),
                .x_high = steps.back(),
                .legend = Panel::Legend::kFigure};
    panel.series = {{.label = "training set", .x = steps, .y = train},
                    {.label = "test set", .x = steps, .y = test}};
    auto all = train;
    all.insert(all.end(), test.begin(), test.end());
    std::erase_if(all, [](double value) { return !std::isfinite(value); });
    const auto [low, high] = std::ranges::minmax_element(all);
    for (const int end : {0, 1}) {  // a line from the lowest to the highest value
      if (all.empty() || end < steps.front() || end > steps.back()) continue;
      panel.series.push_back({.label = "{/:Italic a} = " + std::to_string(end) + ": " +
                                       report::plain_text(end == 0 ? from : to),
                              .x = {1.0 * end, 1.0 * end},
                              .y = {*low, *high},
                              .color = end == 0 ? report::kGray : 3,
                              .dash = 2});
    }
    return panel;
  };
  auto loss = panel_of("Loss", "Loss", line.train.loss, line.test.loss);
  auto all = line.train.loss;
  all.insert(all.end(), line.test.loss.begin(), line.test.loss.end());
  loss.log_y = is_wide(all);
  return {.name = name,
          .panels = {loss, panel_of("Accuracy", "Accuracy (%)", percent(line.train.accuracy),
                                    percent(line.test.accuracy))}};
}

report::Figure plane_figure(const std::string& name, const std::string& split,
                            const std::vector<double>& steps, const Slice& slice) {
  const auto map = [&](const std::string& title, const std::vector<double>& z) {
    Panel panel{.title = title,
                .x_label = "Step along {/:Italic d}_1",
                .y_label = "Step along {/:Italic d}_2",
                .x_low = steps.front(),
                .x_high = steps.back(),
                .y_low = steps.front(),
                .y_high = steps.back()};
    Series grid{.z = z};
    for (const double b : steps) {
      for (const double a : steps) {
        grid.x.push_back(a);
        grid.y.push_back(b);
      }
    }
    panel.series = {grid,
                    {.label = "checkpoint",
                     .x = {0},
                     .y = {0},
                     .style = Series::Style::kPoints,
                     .color = 1,
                     .size = 1.6}};
    return panel;
  };
  auto loss = map(capitalized(split) + " loss", slice.loss);
  loss.z_label = "Loss";
  loss.log_z = is_wide(slice.loss);
  auto accuracy = map(capitalized(split) + " accuracy", percent(slice.accuracy));
  accuracy.z_label = "Accuracy (%)";
  return {.name = name, .panels = {loss, accuracy}, .panel_height = 330};
}

}  // namespace unlazy::measure
