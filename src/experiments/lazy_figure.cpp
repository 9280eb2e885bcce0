#include "experiments/lazy_figure.h"

#include <algorithm>
#include <limits>

#include "core/error.h"
#include "core/format.h"
#include "core/names.h"
#include "report/axes.h"
#include "report/band.h"
#include "report/colors.h"

namespace unlazy::experiments {
namespace {

using report::Panel;
using report::Series;

// How the runs of one Place are drawn.
struct Line {
  std::string label, color;
  bool is_linear;
};

// "label noise τ = 0.5, SAM ρ = 2"
std::string perturbation_text(const train::TrainOptions& o) {
  std::vector<std::string> parts;
  if (o.noise.rate > 0)
    parts.push_back("label noise τ = " + number_text(o.noise.rate));
  else if (o.noise.kind != "none")
    parts.push_back("label noise σ = " + number_text(o.noise.sigma));
  if (optim::is_sharpness_aware(o.optimizer.name))
    parts.push_back("SAM ρ = " + number_text(o.optimizer.sharpness.rho));
  return join(parts);
}

// A noise rate has its colour everywhere; other perturbations have one of the palette. A line of
// the linearised network has the colour of the network's, dashed.
std::vector<Line> lines_of(const train::TrainOptions& o) {
  constexpr size_t kOther = 3;
  const std::string text = perturbation_text(o), clean = report::noise_color(0);
  const std::string perturbed = o.noise.rate > 0 && !optim::is_sharpness_aware(o.optimizer.name)
                                    ? report::noise_color(o.noise.rate)
                                    : report::palette_color(kOther);
  return {{"GD", clean, false},
          {text, perturbed, false},
          {"linearised, GD", clean, true},
          {"linearised, " + text, perturbed, true}};
}

struct Content {
  const char* title;
  const char* y_label;
  const char* curve;
  enum Kind { kLoss, kNorm, kKernel, kRank, kOther } kind;
};

Series banded(const std::vector<report::SeedCurve>& seeds, const Line& line, bool is_log) {
  const auto band = report::band_over_seeds(seeds);
  Series series{.label = line.label,
                .x = band.steps,
                .y = band.mean,
                .low = band.low,
                .high = band.high,
                .rgb = line.color};
  if (line.is_linear) series.style = Series::Style::kDashed;
  for (size_t i = 0; i < series.low.size() && is_log; ++i)
    series.low[i] = std::max(series.low[i], 0.05 * series.y[i]);
  return series;
}

// From the first step on. A short axis finds its own range and plain numbers (report/axes.h).
void make_logarithmic(Panel& panel) {
  panel.log_x = true;
  double first = std::numeric_limits<double>::infinity(), last = 0;
  for (const auto& s : panel.series) {
    for (const double x : s.x) {
      if (x > 0) first = std::min(first, x), last = std::max(last, x);
    }
  }
  panel.x_low = panel.x_high = Panel::kAuto;
  if (last > 1000 * first) panel.x_low = first, panel.x_high = last;
}

report::Curve curve_of(const Content& content, const std::map<std::string, report::Curve>& run) {
  if (content.kind == Content::kRank) return relative_rank(run);
  const auto found = run.find(content.curve);
  return found == run.end() ? report::Curve() : found->second;
}

Panel panel_of(const Content& content, const std::vector<Line>& lines,
               const std::vector<Runs>& seeds) {
  Panel panel{.title = content.title,
              .x_label = "Epoch {/:Italic t}",
              .y_label = content.y_label,
              .legend = Panel::Legend::kFigure};
  // Between seeds the norm at the start differs by more than a run changes it.
  const bool is_relative = content.kind == Content::kNorm && seeds.size() > 1;
  if (is_relative) panel.y_label += " / ‖{/:Bold W}(0)‖_F";
  for (size_t place = 0; place < lines.size(); ++place) {
    std::vector<report::SeedCurve> curves;
    for (const auto& runs : seeds) {
      const auto found = curve_of(content, runs[place]);
      if (found.values.empty()) continue;
      auto& curve = curves.emplace_back(found.epochs, found.values);
      if (!is_relative) continue;
      for (double& value : curve.values) value /= found.values.front();
    }
    if (curves.size() != seeds.size()) continue;
    auto series = banded(curves, lines[place], content.kind == Content::kLoss);
    if (!series.x.empty()) panel.series.push_back(std::move(series));
  }
  if (panel.series.empty()) return panel;
  panel.x_low = 0;
  panel.x_high = panel.series[0].x.back();
  if (content.kind == Content::kLoss) report::show_later_part(panel);
  if (content.kind == Content::kKernel) make_logarithmic(panel);
  return panel;
}

}  // namespace

report::Figure lazy_figure(const std::string& name, const train::TrainOptions& train,
                           const std::vector<Runs>& seeds, const std::vector<int64_t>& numbers,
                           size_t num_asked) {
  constexpr Content kContents[] = {
      {"Training loss, true labels", "Loss {/:Italic L}(θ({/:Italic t}))", "train_set_loss",
       Content::kLoss},
      {"Test loss", "Test loss", "test_loss", Content::kLoss},
      {"Norm of the first-layer weights", "‖{/:Bold W}({/:Italic t})‖_F", "first_layer_norm",
       Content::kNorm},
      {"Kernel, from the first step on", "tr {/:Italic K}({/:Italic t}) / tr {/:Italic K}(0)",
       "ntk_trace_ratio", Content::kKernel},
      {"Apart from its own linearisation",
       "|{/:Italic f} - {/:Italic f}_{lin}(θ)| / |{/:Italic f}_{lin}(θ) - {/:Italic f}(0)|",
       "lazy_distance_train", Content::kOther},
      {"Apart from the linearised network",
       "|{/:Italic f} - {/:Italic f}_{lin}| / |{/:Italic f}_{lin} - {/:Italic f}(0)|",
       "outputs_apart_train", Content::kOther},
      {"The same on test images",
       "|{/:Italic f} - {/:Italic f}_{lin}| / |{/:Italic f}_{lin} - {/:Italic f}(0)|",
       "outputs_apart_test", Content::kOther},
      {"Activations that are zero", "Share", "activation_sparsity", Content::kOther},
      {"Effective rank, mean over layers", "Relative to the start", "", Content::kRank}};
  const auto num_seeds = static_cast<int64_t>(seeds.size());
  const auto note = report::band_note(num_seeds, num_seeds);
  report::Figure figure{.name = name,
                        .title = note.empty() ? "seed " + std::to_string(numbers.at(0)) : note};
  if (num_asked > seeds.size()) {
    figure.title += internal::concat("; ", num_asked - seeds.size(), " of ", num_asked,
                                     " seeds diverged and left out");
  }
  const auto lines = lines_of(train);
  for (const auto& content : kContents) {
    auto panel = panel_of(content, lines, seeds);
    if (!panel.series.empty()) figure.panels.push_back(std::move(panel));
  }
  const auto count = static_cast<int>(figure.panels.size());
  // Rows of three, or of two where that leaves one alone.
  const int columns = count % 3 == 1 ? 2 : 3;
  for (int left = count; left > 0; left -= columns)
    figure.columns.push_back(std::min(columns, left));
  return figure;
}

}  // namespace unlazy::experiments
