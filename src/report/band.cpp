#include "report/band.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
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

}  // namespace

Band band_over_seeds(const std::vector<SeedCurve>& seeds) {
  Band band;
  if (seeds.empty()) return band;
  std::vector<std::vector<Point>> all;
  for (const auto& seed : seeds) all.push_back(sorted_points(seed));
  const auto n = static_cast<double>(seeds.size());
  std::vector<double> values;
  for (const double step : seeds[0].steps) {
    if (!values_at(all, step, values)) continue;
    double sum = 0, squares = 0;
    for (const double value : values) sum += value;
    const double mean = sum / n;
    for (const double value : values) squares += (value - mean) * (value - mean);
    band.steps.push_back(step);
    band.mean.push_back(mean);
    if (seeds.size() < 2) continue;
    const double sd = std::sqrt(squares / (n - 1));
    band.sd.push_back(sd);
    band.low.push_back(mean - sd);
    band.high.push_back(mean + sd);
  }
  return band;
}

}  // namespace unlazy::report
