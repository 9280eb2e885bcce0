#include "train/run_figure.h"

#include <array>
#include <filesystem>
#include <map>
#include <set>

#include "core/error.h"
#include "report/metrics.h"
#include "report/text.h"

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

// The last `count` parts of a path: "runs/a/seed0/" with 2 -> "a/seed0".
std::string last_parts(const std::string& run, int count) {
  auto path = std::filesystem::absolute(run).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  std::filesystem::path last = path.filename();
  for (int i = 1; i < count && path.parent_path().has_filename(); ++i) {
    path = path.parent_path();
    last = path.filename() / last;
  }
  return last.string();
}

// As few parts of the paths as tell the runs apart.
std::vector<std::string> labels_of(const std::vector<std::string>& runs) {
  constexpr int kAll = 1000;
  const auto num_distinct = [](const std::vector<std::string>& list) {
    return std::set<std::string>(list.begin(), list.end()).size();
  };
  const auto parts_of = [&](int count) {
    std::vector<std::string> list;
    for (const auto& run : runs) list.push_back(report::plain_text(last_parts(run, count)));
    return list;
  };
  const auto wanted = num_distinct(parts_of(kAll));
  int count = 1;
  while (num_distinct(parts_of(count)) < wanted) ++count;
  return parts_of(count);
}

Series series_of(const std::string& label, const std::map<std::string, Curve>& curves,
                 const std::string& name) {
  auto found = curves.find(name + "_ema");
  if (found == curves.end()) found = curves.find(name);
  if (found == curves.end()) return {.label = label, .x = {}, .y = {}};
  return {.label = label, .x = found->second.epochs, .y = found->second.values};
}

}  // namespace

report::Figure run_figure(const std::vector<std::string>& runs) {
  std::vector<std::map<std::string, Curve>> all;
  for (const auto& run : runs) all.push_back(report::read_metrics(run));
  Figure figure{.name = "curves", .columns = {2, 2}};
  const auto labels = labels_of(runs);
  for (const auto& content : kPanels) {
    Panel panel{.title = content.title, .x_label = "Epoch", .y_label = content.y_label};
    // One legend serves all panels: the runs have the same colours in each.
    panel.legend = figure.panels.empty() ? Panel::Legend::kAbove : Panel::Legend::kNone;
    for (size_t i = 0; i < runs.size(); ++i) {
      auto series = series_of(labels[i], all[i], content.curve);
      series.color = static_cast<int>(i);
      panel.series.push_back(std::move(series));
    }
    figure.panels.push_back(std::move(panel));
  }
  UNLAZY_CHECK(report::empty_panels(figure).size() < figure.panels.size(),
               "report: no run has a curve to draw; was --measure test left out?");
  return figure;
}

}  // namespace unlazy::train
