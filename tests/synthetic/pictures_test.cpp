// What the pictures say: phases, periods of noise, which setting, and no neurons where there are
// none.
#include "synthetic/records/pictures.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "synthetic/records/spans.h"
#include "synthetic/support.h"
#include "synthetic/theory/overlay.h"

namespace unlazy::synthetic {
namespace {

std::vector<RunResult> run(SyntheticOptions& options) {
  options.record.records = 21;
  options.record.snapshots = {0, options.method.steps};
  resolve(options);
  return simulate_all(options, 1);
}

const report::Figure& named(const std::vector<report::Figure>& list, const std::string& name) {
  return *std::ranges::find(list, name, &report::Figure::name);
}

// A run whose mean cosine is given at steps 0, 1, 2, ..
std::vector<RunResult> run_of_cosines(const std::vector<double>& cosines) {
  RunResult result;
  for (const double cos : cosines) {
    Record record;
    record.step = static_cast<int64_t>(result.records.size());
    record.cos_abs_mean = cos;
    result.records.push_back(record);
  }
  return {result};
}

TEST(SyntheticPictures, PhaseTwoBeginsATenthUpTheCosine) {
  EXPECT_EQ(phase_two_begin(run_of_cosines({0.2, 0.2, 0.25, 0.29, 0.6, 1}), 0), 3);
  EXPECT_EQ(phase_two_begin(run_of_cosines({0.2, 0.3, 0.2, 0.3, 0.6, 1}), 0), 3) << "for good";
  EXPECT_EQ(phase_two_begin(run_of_cosines({0.2, 0.21, 0.25}), 0), -1) << "it hardly rises";
  EXPECT_EQ(phase_two_begin({}, 0), -1);
}

TEST(SyntheticPictures, TestIsDashedAndPeriodsAreShaded) {
  auto options = testing::small_options("periodic", 30, 4);
  const auto results = run(options);
  const auto list = figures(options, results);
  const auto& loss = named(list, "dynamics").panels[0];
  EXPECT_EQ(loss.series[0].style, report::Series::Style::kLine);
  EXPECT_EQ(loss.series[1].style, report::Series::Style::kDashed);
  ASSERT_EQ(loss.spans.size(), 10u) << "1000 steps, on for 50 and off for 50";
  EXPECT_EQ(loss.spans[1].from, 100);
  EXPECT_EQ(loss.spans[1].to, 150);
  EXPECT_TRUE(loss.spans[1].is_shaded);
  EXPECT_EQ(loss.spans_label, "noise on");
}

TEST(SyntheticPictures, FiguresOfOneSettingOfAGridSayWhich) {
  auto options = testing::small_options("label-noise-sgd", 30, 4);
  options.method.lr = {5e-4, 1e-3};
  const auto results = run(options);
  const auto list = figures(options, results);
  for (const char* name : {"dynamics-1", "norms"})
    EXPECT_TRUE(named(list, name).title.starts_with("setting 1 of 2; ")) << name;
  EXPECT_TRUE(named(list, "dynamics-2").title.starts_with("setting 2 of 2; "));
  EXPECT_TRUE(overlay_figure(options, results)->title.starts_with("setting 1 of 2; "));
  const auto& grid = named(list, "grid").panels[0];
  EXPECT_EQ(grid.legend, report::Panel::Legend::kFigure);
  EXPECT_EQ(grid.series[0].label, "η = 5 × 10^{-4}");
}

TEST(SyntheticPictures, DashedPredictionsAreNamedByTheirEquations) {
  auto options = testing::small_options("label-noise-sgd", 30, 4);
  const auto figure = overlay_figure(options, run(options));
  int num_dashed = 0;
  for (const auto& panel : figure->panels) {
    for (const auto& series : panel.series) {
      if (series.style != report::Series::Style::kDashed) continue;
      ++num_dashed;
      const bool has_symbols = series.label.find("η") != std::string::npos ||
                               series.label.find("√") != std::string::npos;
      EXPECT_TRUE(has_symbols) << series.label;
    }
  }
  EXPECT_EQ(num_dashed, 4);
}

// A diagonal network has coordinates (u_j, v_j).
TEST(SyntheticPictures, DiagonalNetworksHaveNoNeurons) {
  auto options = testing::small_options("label-noise-sgd", 30, 10);
  options.model.family = "diagonal";
  options.model.width = SyntheticOptions().model.width;
  options.method.lr = {1e-3, 2e-3};
  std::string text;
  for (const auto& figure : figures(options, run(options))) {
    text += figure.title;
    for (const auto& panel : figure.panels) {
      text += " " + panel.title + " " + panel.x_label + " " + panel.y_label;
      for (const auto& series : panel.series) text += " " + series.label;
    }
  }
  EXPECT_NE(text.find("oordinates"), std::string::npos);
  for (const char* word : {"euron", "{/:Italic w}", "{/:Italic W}", "{/:Italic m}"})
    EXPECT_EQ(text.find(word), std::string::npos) << word << " in " << text;
}

}  // namespace
}  // namespace unlazy::synthetic
