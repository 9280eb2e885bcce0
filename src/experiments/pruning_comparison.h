// Pruning curves of several runs in one picture, as in Figure 1c: accuracy against remaining
// weights, one line per noise rate, with a band of one standard deviation over seeds.
#pragma once

#include <string>
#include <vector>

#include "experiments/pruning/curve.h"
#include "report/band.h"
#include "report/figure.h"

namespace unlazy::experiments {

/// The curves of one protocol that differ only in the seed.
struct CurveGroup {
  std::string label, protocol;             // includes settings that tell groups apart
  int64_t num_seeds = 0, num_classes = 0;  // classes: 0 in curves of older versions
  std::vector<double> density;             // falling
  report::Band accuracy;                   // one step per level
  double area = 0;                         // area_under_curve() of the mean
  double drop_density = 0;                 // density_of_drop() of the mean
};

/// Groups curves whose protocol and settings are the same, in the order of their first member.
/// Throws Error when the members of a group have different levels or the same seed.
std::vector<CurveGroup> group_curves(const std::vector<PruningCurve>& curves);

/// The mean accuracy over the logarithm of the density, by trapezoids, from the first to the last
/// density. It is in [0, 1]; 0.01 more means one point more accuracy on average. NaN for fewer than
/// two levels with weights.
double area_under_curve(const std::vector<double>& density, const std::vector<double>& accuracy);

/// The density at which the accuracy has first fallen `points` (0.01: one point) below that of the
/// first level, interpolated on the logarithm of the density; NaN when it never falls so far.
double density_of_drop(const std::vector<double>& density, const std::vector<double>& accuracy,
                       double points = 0.01);

/// Writes comparison.csv (one row per level of a group), summary.csv (one row per group) and
/// figures/NAME.{csv,gp}, with one panel per protocol.
void write_comparison(const std::string& folder, const std::string& name,
                      const std::vector<PruningCurve>& curves,
                      const report::DrawOptions& draw = {});

/// The same numbers as a table to read.
std::string comparison_text(const std::vector<PruningCurve>& curves);

}  // namespace unlazy::experiments
