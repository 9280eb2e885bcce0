#include "train/run_figure.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "core/error.h"
#include "core/format.h"
#include "report/axes.h"
#include "report/band.h"
#include "report/colors.h"
#include "report/metrics.h"
#include "report/text.h"
#include "train/experiment.h"

namespace unlazy::train {
namespace {

using report::Curve;
using report::Figure;
using report::Panel;
using report::Series;
using Settings = std::map<std::string, std::string>;  // option to value, without the seed

struct Content {
  const char* title;
  const char* y_label;
  const char* curve;
  double scale = 1;
};
constexpr std::array<Content, 4> kPanels = {
    {{"Test loss", "Test loss", "test_loss"},
     {"Test accuracy", "Test accuracy (%)", "test_accuracy", 100},
     {"Training loss, noise included", "Training loss", "train_loss"},
     {"Distance from initialisation", "‖θ({/:Italic t}) − θ(0)‖", "distance_from_init"}}};

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

// What a run was made with, as config.json says it.
struct Made {
  Settings settings;
  std::string seed;
};
std::optional<Made> made_with(const std::string& run) {
  const auto path = run + "/config.json";
  if (!std::filesystem::exists(path)) return std::nullopt;
  const auto config = read_json_file(path);
  TrainOptions options;
  Made made;
  for (const auto& table : describe(options)) {
    for (const auto& row : table.rows()) {
      if (!config.contains(row.name)) continue;
      const auto& value = config.at(row.name);
      const auto text = value.is_string() ? value.get<std::string>() : value.dump();
      if (row.name == "seed") made.seed = text;
      if (row.role == Role::kSetting || row.role == Role::kLength) made.settings[row.name] = text;
    }
  }
  return made;
}

double rate_of(const Settings& settings) {
  const auto found = settings.find("noise-rate");
  const auto kind = settings.find("noise");
  if (found == settings.end() || kind == settings.end() || kind->second == "none") return 0;
  return std::stod(found->second);
}

// Runs that are one line.
struct Line {
  std::string label;
  std::vector<size_t> runs;
  std::optional<double> rate;
};

std::vector<Line> line_a_run(const std::vector<std::string>& runs,
                             const std::vector<std::optional<Made>>& made) {
  std::vector<Line> lines;
  const auto labels = labels_of(runs);
  for (size_t i = 0; i < runs.size(); ++i) {
    lines.push_back({labels[i], {i}, std::nullopt});
    if (made[i]) lines.back().rate = rate_of(made[i]->settings);
  }
  return lines;
}

// "τ = 0.1, lr 0.05": the noise, and what else differs between the lines.
std::string label_among(const Settings& settings, const std::vector<Settings>& all) {
  std::string label = "τ = " + number_text(rate_of(settings));
  std::set<std::string> kinds;  // of those that have noise
  for (const auto& other : all) {
    if (rate_of(other) > 0) kinds.insert(other.at("noise"));
  }
  if (kinds.size() > 1 && rate_of(settings) > 0)
    label += " " + report::plain_text(settings.at("noise"));
  for (const auto& [name, value] : settings) {
    if (name == "noise" || name == "noise-rate") continue;
    const bool differs =
        std::ranges::any_of(all, [&, &name = name, &value = value](const auto& other) {
          const auto found = other.find(name);
          return found == other.end() || found->second != value;
        });
    if (differs) label += ", " + report::plain_text(name + " " + value);
  }
  return label;
}

std::vector<Line> lines_of(const std::vector<std::string>& runs) {
  std::vector<std::optional<Made>> made;
  for (const auto& run : runs) made.push_back(made_with(run));
  std::vector<Settings> settings;
  std::vector<Line> lines;
  std::set<std::pair<size_t, std::string>> seen;  // line and seed
  for (size_t i = 0; i < runs.size(); ++i) {
    if (!made[i] || made[i]->settings.empty()) return line_a_run(runs, made);
    const auto found = std::ranges::find(settings, made[i]->settings);
    const auto place = static_cast<size_t>(found - settings.begin());
    if (found == settings.end()) {
      settings.push_back(made[i]->settings);
      lines.push_back({"", {}, rate_of(made[i]->settings)});
    }
    lines[place].runs.push_back(i);
    if (!seen.insert({place, made[i]->seed}).second) return line_a_run(runs, made);
  }
  for (size_t i = 0; i < lines.size(); ++i) lines[i].label = label_among(settings[i], settings);
  return lines;
}

using Curves = std::map<std::string, Curve>;

// Do all runs that have begun have the curve?
bool have(const std::vector<Curves>& all, const std::string& name) {
  return std::ranges::all_of(
      all, [&](const Curves& curves) { return curves.empty() || curves.contains(name); });
}

Series series_of(const Line& line, const std::vector<Curves>& all, const std::string& name,
                 double scale) {
  Series series{.label = line.label, .x = {}, .y = {}};
  std::vector<report::SeedCurve> seeds;
  for (const size_t run : line.runs) {
    const auto found = all[run].find(name);
    if (found == all[run].end()) continue;
    auto& seed = seeds.emplace_back(found->second.epochs, found->second.values);
    for (double& value : seed.values) value *= scale;
  }
  auto band = report::band_over_seeds(seeds);
  series.x = std::move(band.steps);
  series.y = std::move(band.mean);
  series.low = std::move(band.low);
  series.high = std::move(band.high);
  return series;
}

}  // namespace

report::Figure run_figure(const std::vector<std::string>& runs) {
  std::vector<Curves> all;
  for (const auto& run : runs) all.push_back(report::read_metrics_so_far(run));
  const auto lines = lines_of(runs);
  std::vector<std::optional<double>> rates;
  for (const auto& line : lines) rates.push_back(line.rate);
  const auto looks = report::looks_of(rates);
  const auto [fewest, most] =
      std::ranges::minmax(lines, {}, [](const Line& line) { return line.runs.size(); });
  Figure figure{.name = "curves",
                .title = report::band_note(static_cast<int64_t>(fewest.runs.size()),
                                           static_cast<int64_t>(most.runs.size())),
                .columns = {2, 2}};
  for (const auto& content : kPanels) {
    // All runs have the smoothed curve, or the panel shows what was measured.
    const std::string smoothed = std::string(content.curve) + "_ema";
    const bool is_smoothed = have(all, smoothed);
    Panel panel{.title = std::string(content.title) + (is_smoothed ? ", smoothed" : ""),
                .x_label = "Epoch",
                .y_label = content.y_label,
                .legend = Panel::Legend::kFigure};
    for (size_t i = 0; i < lines.size(); ++i) {
      auto series = series_of(lines[i], all, is_smoothed ? smoothed : content.curve, content.scale);
      series.rgb = looks[i].color;
      series.dash = looks[i].dash;
      panel.series.push_back(std::move(series));
    }
    if (std::string(content.curve).ends_with("_loss")) report::show_later_part(panel);
    figure.panels.push_back(std::move(panel));
  }
  UNLAZY_CHECK(report::empty_panels(figure).size() < figure.panels.size(),
               "report: no run has a curve to draw; was --measure test left out?");
  return figure;
}

}  // namespace unlazy::train
