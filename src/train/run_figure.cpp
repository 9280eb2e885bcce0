#include "train/run_figure.h"

#include <array>
#include <filesystem>

#include "core/error.h"
#include "report/metrics.h"

namespace unlazy::train {
namespace {

using report::Curve;
using report::Figure;
using report::Panel;
using report::Series;

struct Content {
  const char* title;
  const char* y_label;
  const char* curve;
};
constexpr std::array<Content, 4> kPanels = {
    {{"Test loss", "Loss", "test_loss"},
     {"Test accuracy", "Accuracy", "test_accuracy"},
     {"Training loss, noise included", "Loss", "train_loss"},
     {"Distance from initialisation", "Euclidean distance", "distance_from_init"}}};

// "runs/tau0.1/" -> "tau0.1"; underscores would be subscripts.
std::string run_label(const std::string& run) {
  auto path = std::filesystem::path(run).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  std::string label = path.filename().string();
  for (auto& letter : label) {
    if (letter == '_') letter = '-';
  }
  return label;
}

Series series_of(const std::string& run, const std::map<std::string, Curve>& curves,
                 const std::string& name) {
  auto found = curves.find(name + "_ema");
  if (found == curves.end()) found = curves.find(name);
  if (found == curves.end()) return {};
  return {.label = run_label(run), .x = found->second.epochs, .y = found->second.values};
}

}  // namespace

report::Figure run_figure(const std::vector<std::string>& runs) {
  std::vector<std::map<std::string, Curve>> all;
  for (const auto& run : runs) all.push_back(report::read_metrics(run));
  Figure figure{.name = "curves", .columns = {2, 2}};
  bool has_curve = false;
  for (const auto& content : kPanels) {
    Panel panel{.title = content.title, .x_label = "Epoch", .y_label = content.y_label};
    // One legend serves all panels: the runs have the same colours in each.
    panel.legend = figure.panels.empty() ? Panel::Legend::kAbove : Panel::Legend::kNone;
    for (size_t i = 0; i < runs.size(); ++i) {
      auto series = series_of(runs[i], all[i], content.curve);
      series.color = static_cast<int>(i);
      if (series.x.empty()) continue;
      has_curve = true;
      panel.series.push_back(std::move(series));
    }
    figure.panels.push_back(std::move(panel));
  }
  UNLAZY_CHECK(has_curve, "report: no run has a curve to draw; was --measure test left out?");
  return figure;
}

}  // namespace unlazy::train
