#include "report/clip.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/files.h"
#include "support/scratch_folder.h"

namespace unlazy::report {
namespace {

using Vector = std::vector<double>;
constexpr AxisBounds kOpen = {-HUGE_VAL, HUGE_VAL, false};

TEST(BandClip, SidesAreCutWhereTheyCrossTheEdge) {
  // The lower side comes in at x = 5, the upper one at x = 7.5.
  const auto part = clipped({{0, 10}, {2, 0}, {4, 0}}, kOpen, {0, 1, false});
  EXPECT_EQ(part.x, (Vector{5, 7.5, 10}));
  EXPECT_EQ(part.low, (Vector{1, 0.5, 0}));
  EXPECT_EQ(part.high, (Vector{1, 1, 0}));
}

TEST(BandClip, IsCutAtTheEndsOfTheXAxis) {
  const auto part = clipped({{0, 10}, {0, 10}, {10, 20}}, {2, 8, false}, kOpen);
  EXPECT_EQ(part.x, (Vector{2, 8}));
  EXPECT_EQ(part.low, (Vector{2, 8}));
  EXPECT_EQ(part.high, (Vector{12, 18}));
}

TEST(BandClip, OutsideAndMissingPointsAreGaps) {
  const auto part =
      clipped({{0, 1, 2, 3, 4}, {0, 0, 9, 0, 0}, {1, 1, 9, 1, NAN}}, kOpen, {0, 2, false});
  ASSERT_GE(part.x.size(), 5u);
  size_t gaps = 0;
  for (size_t i = 0; i < part.x.size(); ++i) {
    if (std::isnan(part.x[i])) {
      ++gaps;
      continue;
    }
    EXPECT_GE(part.low[i], 0);
    EXPECT_LE(part.high[i], 2);
  }
  EXPECT_EQ(gaps, 1u);
}

TEST(BandClip, LinesAreStraightInTheLogarithm) {
  const auto part = clipped({{0, 2}, {100, 1}, {100, 1}}, kOpen, {1, 10, true});
  ASSERT_EQ(part.x.size(), 2u);
  EXPECT_NEAR(part.x[0], 1, 1e-12);
  EXPECT_NEAR(part.low[0], 10, 1e-12);
}

TEST(BandClip, ScriptHasTheCutBandAndTheTableAllNumbers) {
  const testing::ScratchFolder scratch;
  Figure figure{.name = "cut", .panels = {{.title = "Loss", .y_low = 0, .y_high = 1}}};
  figure.panels[0].series = {
      {.label = "mean", .x = {0, 10}, .y = {3, 0}, .low = {2, 0}, .high = {4, 0}}};
  write_figure(scratch.path(), figure);
  const auto script = read_file(scratch / "cut.gp");
  EXPECT_NE(script.find("$band0 << end\n5,1,1\n7.5,0.5,1\n10,0,0\nend\n"), std::string::npos)
      << script;
  EXPECT_NE(script.find("$band0 using ($1/1e0):2:3 with filledcurves"), std::string::npos);
  EXPECT_NE(read_file(scratch / "cut.csv").find(",0,3,2,4,"), std::string::npos);
}

}  // namespace
}  // namespace unlazy::report
