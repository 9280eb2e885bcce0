#include "experiments/pruning_figure.h"

#include <gtest/gtest.h>

#include "report/colors.h"

namespace unlazy::experiments {
namespace {

CurveGroup group_of(const std::string& label, const std::string& protocol, double lowest) {
  CurveGroup group;
  group.label = label;
  group.protocol = protocol;
  group.num_seeds = 3;
  group.num_classes = 10;
  group.density = {1, 0.5, 0.1};
  group.accuracy.mean = {0.9, 0.8, lowest};
  return group;
}

TEST(PruningFigure, NamesRatesSeedsAndChance) {
  const auto figure = pruning_figure(
      "fig1c", {group_of("no noise", "one-shot", 0.12), group_of("flip 0.1", "one-shot", 0.3),
                group_of("no noise", "imp", 0.7), group_of("flip 0.1", "imp", 0.75)});
  ASSERT_EQ(figure.panels.size(), 2u);
  EXPECT_EQ(figure.title, report::band_note(3, 3));
  const auto& panel = figure.panels[0];
  EXPECT_EQ(panel.x_label, "Remaining weights α (%)");
  EXPECT_NE(panel.y_label.find("Acc(θ({/:Italic T}; α))"), std::string::npos);
  EXPECT_EQ(panel.legend, report::Panel::Legend::kFigure);
  ASSERT_EQ(panel.series.size(), 3u);
  EXPECT_EQ(panel.series[0].label, "τ = 0 ({/:Italic n} = 3)");
  EXPECT_EQ(panel.series[0].rgb, report::noise_color(0));
  EXPECT_EQ(panel.series[1].label, "τ = 0.1 ({/:Italic n} = 3)");
  EXPECT_EQ(panel.series[1].rgb, report::noise_color(0.1));
  EXPECT_EQ(panel.series[2].label, "chance");
  EXPECT_EQ(panel.series[2].y, (std::vector<double>{10, 10}));
  EXPECT_LT(panel.y_low, 10);
}

TEST(PruningFigure, ChanceThatIsFarAwayIsNotDrawn) {
  const auto figure = pruning_figure(
      "x", {group_of("flip 0.1 momentum 0.9", "imp", 0.7), group_of("sam", "imp", 0.6)});
  ASSERT_EQ(figure.panels[0].series.size(), 2u);
  EXPECT_EQ(figure.panels[0].series[0].label, "τ = 0.1 momentum 0.9 ({/:Italic n} = 3)");
  EXPECT_GT(figure.panels[0].y_low, 50);
}

}  // namespace
}  // namespace unlazy::experiments
