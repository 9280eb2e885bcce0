#include "measure/landscape_figure.h"

#include <algorithm>
#include <cmath>

namespace unlazy::measure {
namespace {

using report::Panel;
using report::Series;

std::string capitalized(const std::string& split) { return split == "test" ? "Test" : "Training"; }

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

report::Figure line_figure(const std::string& name, const std::vector<double>& steps,
                           const Landscape::Line& line) {
  const std::string x_label = "Step {/:Italic a} between the checkpoints";
  Panel loss{.title = "Loss", .x_label = x_label, .y_label = "Loss"};
  loss.series = {{.label = "training set", .x = steps, .y = line.train.loss},
                 {.label = "test set", .x = steps, .y = line.test.loss}};
  auto all = line.train.loss;
  all.insert(all.end(), line.test.loss.begin(), line.test.loss.end());
  loss.log_y = is_wide(all);
  Panel accuracy{.title = "Accuracy", .x_label = x_label, .y_label = "Accuracy"};
  accuracy.series = {{.label = "training set", .x = steps, .y = line.train.accuracy},
                     {.label = "test set", .x = steps, .y = line.test.accuracy}};
  for (auto* panel : {&loss, &accuracy}) {
    panel->x_low = steps.front();
    panel->x_high = steps.back();
    Series ends{.label = "checkpoints", .style = Series::Style::kPoints, .color = report::kGray};
    ends.size = 1.6;
    for (size_t i = 0; i < steps.size(); ++i) {
      if (steps[i] != 0 && steps[i] != 1) continue;
      for (int s = 0; s < 2; ++s) {
        ends.x.push_back(steps[i]);
        ends.y.push_back(panel->series[static_cast<size_t>(s)].y[i]);
      }
    }
    panel->series.push_back(ends);
  }
  return {.name = name, .panels = {loss, accuracy}};
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
  auto accuracy = map(capitalized(split) + " accuracy", slice.accuracy);
  accuracy.z_label = "Accuracy";
  return {.name = name, .panels = {loss, accuracy}, .panel_height = 330};
}

}  // namespace unlazy::measure
