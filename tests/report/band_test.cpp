#include "report/band.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace unlazy::report {
namespace {

using Vector = std::vector<double>;

TEST(Band, MarginIsThatOfStudentsT) {
  const auto three = mean_of_seeds({1, 2, 3});  // s.d. 1
  EXPECT_DOUBLE_EQ(three.mean, 2);
  EXPECT_NEAR(three.margin, 4.303 / std::sqrt(3.0), 1e-12);
  EXPECT_NEAR(three.std_error, 1 / std::sqrt(3.0), 1e-12);
  EXPECT_DOUBLE_EQ(three.sd, 1);
  EXPECT_TRUE(std::isnan(mean_of_seeds({5}).margin)) << "the spread of one seed is unknown";
}

// The sum of three times 0.1 is not 0.3, which would be a spread of 2e-17.
TEST(Band, EqualValuesHaveNoSpread) {
  const auto mean = mean_of_seeds({0.1, 0.1, 0.1});
  EXPECT_EQ(mean.mean, 0.1);
  EXPECT_EQ(mean.sd, 0);
  EXPECT_EQ(mean.margin, 0);
  const auto band = band_over_seeds({{{0}, {0.1}}, {{0}, {0.1}}, {{0}, {0.1}}});
  EXPECT_EQ(band.sd, Vector{0});
  EXPECT_EQ(band.low, band.high);
}

TEST(Band, NoteSaysWhatBandsAre) {
  EXPECT_EQ(band_note(1, 1), "");
  EXPECT_EQ(band_note(3, 3), "Lines: means over 3 seeds; bands: ± 1 s.d.");
  EXPECT_EQ(band_note(2, 3), "Lines: means over 2 to 3 seeds; bands: ± 1 s.d.");
}

TEST(Band, IsMeanAndStandardDeviation) {
  const auto band = band_over_seeds({{{0, 5}, {1, 10}}, {{0, 5}, {2, 10}}, {{0, 5}, {6, 10}}});
  EXPECT_EQ(band.steps, (Vector{0, 5}));
  EXPECT_EQ(band.mean, (Vector{3, 10}));
  // Deviations -2, -1, 3: 14 over n - 1 = 2.
  EXPECT_EQ(band.sd, (Vector{std::sqrt(7.0), 0}));
  EXPECT_EQ(band.low, (Vector{3 - std::sqrt(7.0), 10}));
  EXPECT_EQ(band.high, (Vector{3 + std::sqrt(7.0), 10}));
}

TEST(Band, OneSeedHasNone) {
  const auto band = band_over_seeds({{{3, 1, 2}, {0.1, 0.2, 0.3}}});
  EXPECT_EQ(band.steps, (Vector{3, 1, 2}));
  EXPECT_EQ(band.mean, (Vector{0.1, 0.2, 0.3}));
  EXPECT_TRUE(band.sd.empty() && band.low.empty() && band.high.empty());
  EXPECT_TRUE(band_over_seeds({}).steps.empty());
}

// By step, not by place in the list.
TEST(Band, KeepsTheStepsThatAllSeedsHave) {
  const auto band = band_over_seeds({{{0, 10, 20, 30}, {1, 2, 3, 4}},
                                     {{0, 5, 10, 15, 20}, {3, 9, 6, 9, 9}},
                                     {{20, 10, 0}, {12, 10, 8}}});
  EXPECT_EQ(band.steps, (Vector{0, 10, 20}));
  EXPECT_EQ(band.mean, (Vector{4, 6, 8}));
  EXPECT_EQ(band.sd[1], 4);
  EXPECT_TRUE(band_over_seeds({{{0, 1}, {1, 1}}, {{}, {}}}).steps.empty());
}

TEST(Band, LeavesAGapWhereAValueIsNotFinite) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  const auto band = band_over_seeds({{{0, 1, 2}, {1, nan, infinity}}, {{0, 1, 2}, {3, 4, 5}}});
  EXPECT_EQ(band.steps, (Vector{0, 1, 2}));
  EXPECT_EQ(band.mean[0], 2);
  for (size_t i = 1; i < 3; ++i) {
    EXPECT_FALSE(std::isfinite(band.mean[i])) << i;
    EXPECT_TRUE(std::isnan(band.low[i]) && std::isnan(band.high[i])) << i;
  }
}

}  // namespace
}  // namespace unlazy::report
