#include "report/band.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <functional>
#include <utility>

namespace unlazy::report {
namespace {

using Point = std::pair<double, double>;  // step, value

std::vector<Point> sorted_points(const SeedCurve& curve) {
  std::vector<Point> points;
  for (size_t i = 0; i < curve.steps.size(); ++i)
    points.emplace_back(curve.steps[i], curve.values.at(i));
  std::ranges::sort(points, {}, &Point::first);
  return points;
}

// Fills `values` with those of all seeds at `step`; false when one has none there.
bool values_at(const std::vector<std::vector<Point>>& seeds, double step,
               std::vector<double>& values) {
  values.clear();
  for (const auto& points : seeds) {
    const auto found = std::ranges::lower_bound(points, step, {}, &Point::first);
    if (found == points.end() || found->first != step) return false;
    values.push_back(found->second);
  }
  return true;
}

// Student's t for 95 % on both sides.
double t_of(size_t degrees_of_freedom) {
  constexpr std::array kTable = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306,
                                 2.262,  2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
                                 2.110,  2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064,
                                 2.060,  2.056, 2.052, 2.048, 2.045, 2.042};
  if (degrees_of_freedom <= kTable.size()) return kTable[degrees_of_freedom - 1];
  return 1.96 + 2.42 / static_cast<double>(degrees_of_freedom);  // to three digits
}

struct Spread {
  double mean, sd;
};

// Equal values are their own mean and have no spread: the sum of three times 0.1 is not 0.3.
Spread spread_of(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (const double value : values) sum += value;
  const bool is_one_value = std::ranges::adjacent_find(values, std::not_equal_to{}) == values.end();
  const double mean = is_one_value && !values.empty() ? values[0] : sum / n;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return {mean, values.size() < 2 ? NAN : std::sqrt(squares / (n - 1))};
}

}  // namespace

Band band_over_seeds(const std::vector<SeedCurve>& seeds) {
  Band band;
  if (seeds.empty()) return band;
  std::vector<std::vector<Point>> all;
  for (const auto& seed : seeds) all.push_back(sorted_points(seed));
  std::vector<double> values;
  for (const double step : seeds[0].steps) {
    if (!values_at(all, step, values)) continue;
    const auto [mean, sd] = spread_of(values);
    band.steps.push_back(step);
    band.mean.push_back(mean);
    if (seeds.size() < 2) continue;
    band.sd.push_back(sd);
    band.low.push_back(mean - sd);
    band.high.push_back(mean + sd);
  }
  return band;
}

std::string band_note(int64_t fewest_seeds, int64_t most_seeds) {
  if (most_seeds < 2) return "";
  const auto most = std::to_string(most_seeds);
  return "Lines: means over " +
         (fewest_seeds == most_seeds ? most : std::to_string(fewest_seeds) + " to " + most) +
         " seeds; bands: ± 1 s.d.";
}

MeanOfSeeds mean_of_seeds(const std::vector<double>& values) {
  const auto [mean, sd] = spread_of(values);
  if (values.size() < 2) return {mean, NAN, NAN, NAN};
  const double std_error = sd / std::sqrt(static_cast<double>(values.size()));
  return {mean, t_of(values.size() - 1) * std_error, std_error, sd};
}

}  // namespace unlazy::report
