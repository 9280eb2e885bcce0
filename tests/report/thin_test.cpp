#include "report/thin.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace unlazy::report {
namespace {

TEST(Thin, ShortListsStayWhole) {
  EXPECT_EQ(thinned({3, 1, 2}, 4), (std::vector<size_t>{0, 1, 2}));
  EXPECT_TRUE(thinned({}, 4).empty());
}

TEST(Thin, KeepsEndsAndExtremesInOrder) {
  std::vector<double> values(10000);
  for (size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<double>(i) / 50);
  values[1234] = 9;
  values[4321] = -9;
  values[777] = NAN;
  const auto places = thinned(values, 100);
  EXPECT_LE(places.size(), 100u);
  EXPECT_GT(places.size(), 90u);
  EXPECT_TRUE(std::ranges::is_sorted(places, std::ranges::less_equal()) ||
              std::ranges::adjacent_find(places) == places.end());
  EXPECT_EQ(places.front(), 0u);
  EXPECT_EQ(places.back(), 9999u);
  for (const size_t place : {1234u, 4321u}) EXPECT_TRUE(std::ranges::binary_search(places, place));
  EXPECT_FALSE(std::ranges::binary_search(places, 777u));
}

TEST(Thin, AStretchWithoutNumbersStaysAGap) {
  std::vector<double> values(1000, 1.0);
  std::fill(values.begin() + 300, values.begin() + 600, NAN);
  const auto places = thinned(values, 50);
  EXPECT_TRUE(std::ranges::any_of(places, [&](size_t i) { return std::isnan(values[i]); }));
}

}  // namespace
}  // namespace unlazy::report
