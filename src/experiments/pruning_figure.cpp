#include "experiments/pruning_figure.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <map>
#include <optional>

#include "core/format.h"
#include "report/colors.h"
#include "report/text.h"

namespace unlazy::experiments {
namespace {

using report::Panel;
using report::Series;

std::string title_of_protocol(const std::string& protocol) {
  const std::map<std::string, std::string> known = {
      {"one-shot", "One-shot, no training after"},
      {"one-shot-recalibrated", "One-shot, BatchNorm recalibrated"},
      {"imp", "Iterative magnitude pruning"}};
  if (const auto found = known.find(protocol); found != known.end()) return found->second;
  std::string title = protocol;
  std::replace(title.begin(), title.end(), '-', ' ');
  title[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(title[0])));
  return title;
}

// The rate of label noise that a label begins with ("no noise", "flip 0.1 sam"), and what follows.
struct NoiseLabel {
  std::optional<double> rate;
  std::string rest;
};
NoiseLabel noise_label(const std::string& label) {
  const std::string none = "no noise", flip = "flip ";
  if (label.starts_with(none)) return {0, label.substr(none.size())};
  if (!label.starts_with(flip)) return {std::nullopt, label};
  char* end = nullptr;
  const double rate = std::strtod(label.c_str() + flip.size(), &end);
  return {rate, end};
}

std::string legend_text(const CurveGroup& group) {
  const auto noise = noise_label(group.label);
  return (noise.rate ? "τ = " + number_text(*noise.rate) : std::string()) +
         report::plain_text(noise.rest) + " ({/:Italic n} = " + std::to_string(group.num_seeds) +
         ")";
}

std::vector<double> percent(std::vector<double> list) {
  for (double& value : list) value *= 100;
  return list;
}

Series series_of(const CurveGroup& group, const report::Look& look) {
  return {.label = legend_text(group),
          .x = percent(group.density),
          .y = percent(group.accuracy.mean),
          .low = percent(group.accuracy.low),
          .high = percent(group.accuracy.high),
          .style = Series::Style::kLinePoints,
          .rgb = look.color,
          .dash = look.dash};
}

// Panels are compared: they share the axis of accuracy, with the level of chance if a line comes
// near it.
void share_axis(report::Figure& figure, double chance) {
  double low = 100, high = 0;
  for (const auto& panel : figure.panels) {
    for (const auto& series : panel.series) {
      for (const auto* list : {&series.y, &series.low, &series.high}) {
        for (const double y : *list) {
          low = std::min(low, y);
          high = std::max(high, y);
        }
      }
    }
  }
  const bool is_near = chance > 0 && low < 3 * chance;
  if (is_near) low = std::min(low, chance);
  const double room = std::max(0.5, 0.04 * (high - low));
  for (auto& panel : figure.panels) {
    panel.y_low = std::max(0.0, low - room);
    panel.y_high = std::min(100.0, high + room);
    if (!is_near) continue;
    double least = 100;
    for (const auto& series : panel.series) {
      for (const double x : series.x) {
        if (x > 0) least = std::min(least, x);
      }
    }
    panel.series.push_back({.label = "chance",
                            .x = {least, 100},
                            .y = {chance, chance},
                            .style = Series::Style::kDashed,
                            .color = report::kGray});
  }
}

// What all panels have in their legend stands above them once.
void share_legend(report::Figure& figure) {
  const auto labels = [](const Panel& panel) {
    std::vector<std::string> list;
    for (const auto& series : panel.series) list.push_back(series.label);
    return list;
  };
  for (const auto& panel : figure.panels) {
    if (labels(panel) != labels(figure.panels[0])) return;
  }
  for (auto& panel : figure.panels) panel.legend = Panel::Legend::kFigure;
}

}  // namespace

report::Figure pruning_figure(const std::string& name, const std::vector<CurveGroup>& groups) {
  const auto [fewest, most] = std::ranges::minmax_element(groups, {}, &CurveGroup::num_seeds);
  report::Figure figure{.name = name,
                        .title = report::band_note(fewest->num_seeds, most->num_seeds)};
  double chance = 0;
  std::map<std::string, std::vector<const CurveGroup*>> panels;
  std::vector<std::string> order;
  for (const auto& group : groups) {
    auto& members = panels[title_of_protocol(group.protocol)];
    if (members.empty()) order.push_back(title_of_protocol(group.protocol));
    members.push_back(&group);
    if (group.num_classes > 0)
      chance = std::max(chance, 100.0 / static_cast<double>(group.num_classes));
  }
  for (const auto& title : order) {
    Panel panel{.title = title,
                .x_label = "Remaining weights α (%)",
                .y_label = "Test accuracy Acc(θ({/:Italic T}; α)) (%)",
                .log_x = true};
    std::vector<std::optional<double>> rates;
    for (const auto* group : panels[title]) rates.push_back(noise_label(group->label).rate);
    const auto looks = report::looks_of(rates);
    for (size_t i = 0; i < looks.size(); ++i)
      panel.series.push_back(series_of(*panels[title][i], looks[i]));
    figure.panels.push_back(std::move(panel));
  }
  share_axis(figure, chance);
  share_legend(figure);
  return figure;
}

}  // namespace unlazy::experiments
