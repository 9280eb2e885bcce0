#include "synthetic/records/pictures.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "core/format.h"
#include "report/text.h"
#include "synthetic/records/curves.h"
#include "synthetic/records/results.h"
#include "synthetic/records/spans.h"

namespace unlazy::synthetic {
namespace {

using report::Figure;
using report::kGray;
using report::Panel;
using report::Series;

constexpr int64_t kMostSettings = 8;  // dynamics figures of a grid

// 25000 -> "2.5 × 10^4"
std::string step_text(int64_t step) {
  if (step < 10000) return std::to_string(step);
  const int power = static_cast<int>(std::floor(std::log10(static_cast<double>(step))));
  const std::string factor = rounded_text(static_cast<double>(step) / std::pow(10.0, power), 3);
  return (factor == "1" ? "" : factor + " × ") + "10^{" + std::to_string(power) + "}";
}

// How the two families write what a neuron is. A diagonal network has coordinates in their place,
// and the spectrum of theta in that of W.
struct Words {
  const char *norm, *align;                       // of neuron i, on axes
  const char *mean_norm, *mean_cos, *mean_align;  // in the legend
  const char *mean_norm_axis, *mean_cos_axis, *moved_axis;
  const char *one, *many;    // "neuron", "neurons"
  const char *norms, *rank;  // titles
  const char* count;         // the number of neurons
};
const Words& words(const SyntheticOptions& options) {
  static const Words linear = {"‖{/:Italic w}_i‖",
                               "⟨{/:Italic w}_i, θ^*⟩",
                               "‖{/:Italic w}‖",
                               "|cos({/:Italic w}, θ^*)|",
                               "|⟨{/:Italic w}, θ^*⟩|",
                               "Mean ‖{/:Italic w}_i‖",
                               "Mean |cos({/:Italic w}_i, θ^*)|",
                               "Mean ‖{/:Italic w}_i({/:Italic t}) − {/:Italic w}_i(0)‖",
                               "neuron",
                               "neurons",
                               "Neuron norms",
                               "Rank of {/:Italic W}",
                               "{/:Italic m}"};
  static const Words diagonal = {"‖({/:Italic u}_j, {/:Italic v}_j)‖",
                                 "θ_j θ_j^* / ‖θ^*‖",
                                 "‖({/:Italic u}, {/:Italic v})‖",
                                 "|θ| / ({/:Italic u}^2 + {/:Italic v}^2)",
                                 "|θ θ^*| / ‖θ^*‖",
                                 "Mean ‖({/:Italic u}_j, {/:Italic v}_j)‖",
                                 "Mean |θ_j| / ({/:Italic u}_j^2 + {/:Italic v}_j^2)",
                                 "Mean move of ({/:Italic u}_j, {/:Italic v}_j)",
                                 "coordinate",
                                 "coordinates",
                                 "Norms of ({/:Italic u}_j, {/:Italic v}_j)",
                                 "Sparsity of θ",
                                 "{/:Italic d}"};
  return options.model.family == "diagonal" ? diagonal : linear;
}

std::string capital(std::string word) {
  word[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(word[0])));
  return word;
}

// The first line of a figure of one setting; of a grid it says which.
std::string title_of(const SyntheticOptions& options, const std::vector<RunResult>& results,
                     const RunResult& run) {
  const auto num_settings = results.back().setting.group + 1;
  if (num_settings == 1) return method_text(options, run);
  return "setting " + std::to_string(run.setting.group + 1) + " of " +
         std::to_string(num_settings) + "; " + method_text(options, run);
}

std::string grid_title(const SyntheticOptions& options) {
  return options.method.method + ": settings compared; " + seeds_text(options);
}

// The norm and alignment plane, around 0 in the alignment, with its edge |<w, theta*>| = |w|
// |theta*|, which aligned neurons reach (of the linear network: that of a diagonal one differs
// between coordinates).
Panel plane(const SyntheticOptions& options, const RunResult& run, const std::string& title,
            double norm, double align, bool is_labelled) {
  Panel panel{.title = title, .x_label = words(options).norm, .y_label = words(options).align};
  panel.x_low = 0;
  panel.x_high = 1.08 * norm;
  if (align > 0) {
    panel.y_low = -1.2 * align;
    panel.y_high = 1.2 * align;
  }
  if (options.model.family == "diagonal") return panel;
  const double end = 1.08 * norm;
  Series edge{.x = {0, end},
              .y = {0, end * run.teacher_norm},
              .style = Series::Style::kDashed,
              .color = kGray,
              .size = 0.7};
  if (is_labelled) edge.label = "|cos| = 1";
  panel.series.push_back(edge);
  edge.label.clear();
  edge.y[1] = -edge.y[1];
  panel.series.push_back(edge);
  return panel;
}

// Of the recorded neurons the one that ends with the largest alignment.
int64_t chosen_neuron(const RunResult& run) {
  const NeuronRecord* best = &run.neurons.front();
  for (const auto& n : run.neurons) {
    if (n.step == run.records.back().step &&
        (best->step != n.step || std::fabs(n.align) > std::fabs(best->align)))
      best = &n;
  }
  return best->neuron;
}

// (c): one neuron's way, darker with time.
Panel path_panel(const SyntheticOptions& options, const RunResult& run) {
  const int64_t chosen = chosen_neuron(run);
  Series path{.size = 1.1};
  double norm = 0, align = 0;
  for (const auto& n : run.neurons) {
    if (n.neuron != chosen) continue;
    path.x.push_back(n.norm);
    path.y.push_back(n.align);
    norm = std::max(norm, n.norm);
    align = std::max(align, std::fabs(n.align));
  }
  for (size_t i = 0; i < path.x.size(); ++i) {
    path.shade.push_back(
        path.x.size() > 1 ? static_cast<double>(i) / static_cast<double>(path.x.size() - 1) : 1);
  }
  Panel panel =
      plane(options, run,
            capital(words(options).one) + " " + std::to_string(chosen) + ", darker is later", norm,
            align, true);
  panel.series.push_back(path);
  return panel;
}

// Bottom row: all neurons at one time, on the axes of the first.
Panel cloud_panel(const SyntheticOptions& options, const RunResult& run, const Snapshot& shot) {
  double norm = 0, align = 0;
  for (const auto& s : run.snapshots) {
    norm = std::max(norm, *std::max_element(s.norm.begin(), s.norm.end()));
    for (const double x : s.align) align = std::max(align, std::fabs(x));
  }
  Panel panel = plane(
      options, run,
      std::string("All ") + words(options).many + " at {/:Italic t} = " + step_text(shot.step),
      norm, align, false);
  panel.series.push_back(
      {.x = shot.norm, .y = shot.align, .style = Series::Style::kPoints, .color = 0, .size = 0.8});
  return panel;
}

std::string label_of(const SyntheticOptions& options, const Setting& setting) {
  return setting_text(options, setting, {"η = ", "σ = ", "ρ = "}, report::power_text);
}

// Figures 2 and 4: (a) losses, (b) means over the neurons, (c) one neuron, then all neurons at four
// times.
Figure dynamics(const SyntheticOptions& options, const std::vector<RunResult>& results,
                const RunResult& run, const std::string& name) {
  const Curves curves(options, results);
  const int64_t group = run.setting.group;
  Figure figure{.name = name, .title = title_of(options, results, run)};

  Panel loss = curves.panel("Loss, clean targets", "Loss", true);
  loss.series = {curves.series("train", group, &Record::train_loss),
                 curves.series("test", group, &Record::test_loss)};
  loss.series[1].style = Series::Style::kDashed;  // the two curves lie on each other
  Panel means = curves.panel(std::string("Mean over ") + words(options).many, "Mean", false);
  means.y_low = 0;
  means.series = {curves.series(words(options).mean_norm, group, &Record::norm_mean, 0),
                  curves.series(words(options).mean_cos, group, &Record::cos_abs_mean, 1),
                  curves.series(words(options).mean_align, group, &Record::align_abs_mean, 2)};
  for (auto* panel : {&loss, &means}) add_spans(*panel, options, results, group);
  means.spans_label.clear();  // the legend of (a) says it
  figure.panels = {loss, means, path_panel(options, run)};
  figure.columns = {3};
  for (const auto& shot : run.snapshots) figure.panels.push_back(cloud_panel(options, run, shot));
  for (size_t left = run.snapshots.size(); left > 0; left -= std::min<size_t>(left, 4)) {
    figure.columns.push_back(static_cast<int>(std::min<size_t>(left, 4)));
  }
  figure.panel_width = figure.columns.size() > 1 ? 300 : 380;
  figure.panel_height = 270;
  return figure;
}

// How many neurons have left the ball of Definition 1, how far they went, and W's rank.
Figure escape_figure(const SyntheticOptions& options, const std::vector<RunResult>& results) {
  const Curves curves(options, results);
  const bool is_single = results.back().setting.group == 0;
  Figure figure{.name = "escape",
                .title = is_single ? method_text(options, results.front()) : grid_title(options)};
  const auto& word = words(options);
  Panel share = curves.panel(capital(word.many) + " outside the lazy ball",
                             std::string("Share of ") + word.many, false, true);
  Panel moved = curves.panel("Distance from initialisation", word.moved_axis, true, true);
  Panel rank = curves.panel(word.rank, "Effective rank", false);
  if (!is_single) share.legend = moved.legend = rank.legend = Panel::Legend::kFigure;
  share.y_low = 0;
  share.y_high = 1.03;
  rank.y_low = 0;
  int color = 0;
  for (const auto* run : first_of_groups(results)) {
    const std::string label = is_single ? "" : label_of(options, run->setting);
    const int64_t group = run->setting.group;
    share.series.push_back(curves.series(label, group, &Record::outside_share, color));
    moved.series.push_back(curves.series(label, group, &Record::moved_mean, color));
    rank.series.push_back(
        curves.series(is_single ? "" : label, group, &Record::effective_rank, color));
    ++color;
  }
  const double ball = 1 / std::sqrt(static_cast<double>(results.front().num_neurons));
  const std::string ball_text = std::string("1/√") + word.count;
  moved.series.push_back({.label = is_single ? ball_text : "",
                          .x = {moved.x_low, moved.x_high},
                          .y = {ball, ball},
                          .style = Series::Style::kDashed,
                          .color = kGray});
  moved.y_low = ball / 30;
  if (!is_single) {  // in the common legend, which is that of the first panel
    moved.title += " (dashed: " + ball_text + ")";
    for (auto* panel : {&moved, &rank}) {
      for (auto& series : panel->series) series.label.clear();
    }
  }
  figure.panels = {share, moved, rank};
  figure.panel_width = 400;
  return figure;
}

// The neuron norms: their range over time and their histograms at the snapshots.
Figure norms_figure(const SyntheticOptions& options, const std::vector<RunResult>& results,
                    const RunResult& run) {
  const Curves curves(options, results);
  const int64_t group = run.setting.group;
  Figure figure{.name = "norms", .title = title_of(options, results, run)};
  Panel range = curves.panel(words(options).norms, words(options).norm, true);
  range.series = {curves.series("largest", group, &Record::norm_max),
                  curves.series("median", group, &Record::norm_median),
                  curves.series("smallest", group, &Record::norm_min)};
  Panel density{.title = "Their distribution",
                .x_label = words(options).norm,
                .y_label = std::string("Share of ") + words(options).many};
  density.x_low = 0;
  density.y_low = 0;
  for (const auto& shot : run.snapshots) {
    const auto record = std::find_if(run.records.begin(), run.records.end(),
                                     [&](const auto& r) { return r.step == shot.step; });
    const auto& counts = run.histograms[static_cast<size_t>(record - run.records.begin())];
    Series s{.label = "{/:Italic t} = " + step_text(shot.step)};
    // Without the empty bins at both ends, whose lines would lie on each other.
    size_t first = 0, end = counts.size();
    while (first < end && counts[first] == 0) ++first;
    while (end > first && counts[end - 1] == 0) --end;
    first -= first > 0 ? 1 : 0;
    end += end < counts.size() ? 1 : 0;
    for (size_t b = first; b < end; ++b) {
      const double share = static_cast<double>(counts[b]) / static_cast<double>(run.num_neurons);
      for (const double edge : {0.0, 1.0}) {  // a step a bin
        s.x.push_back((static_cast<double>(b) + edge) * run.bin_width);
        s.y.push_back(share);
      }
    }
    density.series.push_back(s);
  }
  figure.panels = {range, density};
  figure.panel_width = 430;
  return figure;
}

// A grid: one colour a setting.
Figure grid_figure(const SyntheticOptions& options, const std::vector<RunResult>& results) {
  const Curves curves(options, results);
  const auto& word = words(options);
  Figure figure{.name = "grid", .title = grid_title(options)};
  Panel norm = curves.panel("Mean norm", word.mean_norm_axis, false);
  norm.y_low = 0;
  Panel cos = curves.panel("Mean alignment", word.mean_cos_axis, false);
  Panel loss = curves.panel("Test loss", "Loss", true);
  norm.legend = cos.legend = loss.legend = Panel::Legend::kFigure;
  int color = 0;
  for (const auto* run : first_of_groups(results)) {
    const std::string label = label_of(options, run->setting);
    norm.series.push_back(curves.series(label, run->setting.group, &Record::norm_mean, color));
    cos.series.push_back(curves.series("", run->setting.group, &Record::cos_abs_mean, color));
    loss.series.push_back(curves.series("", run->setting.group, &Record::test_loss, color));
    ++color;
  }
  figure.panels = {norm, cos, loss};
  return figure;
}

}  // namespace

std::vector<std::string> figure_names() {
  return {"dynamics", "dynamics-#", "escape", "norms", "overlay", "grid"};
}

std::vector<Figure> figures(const SyntheticOptions& options,
                            const std::vector<RunResult>& results) {
  const bool is_single = results.back().setting.group == 0;
  std::vector<Figure> list;
  for (const auto* run : first_of_groups(results)) {
    if (run->snapshots.empty() || run->setting.group >= kMostSettings) continue;
    const std::string suffix = is_single ? "" : "-" + std::to_string(run->setting.group + 1);
    list.push_back(dynamics(options, results, *run, "dynamics" + suffix));
  }
  const auto& first = results.front();
  if (first.snapshots.empty()) return list;  // diverged before anything could be seen
  list.push_back(escape_figure(options, results));
  list.push_back(norms_figure(options, results, first));
  if (!is_single) list.push_back(grid_figure(options, results));
  return list;
}

}  // namespace unlazy::synthetic
