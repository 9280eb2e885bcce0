// Several seeds as one line with a band: mean and standard deviation.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace unlazy::report {

/// The curve of one seed: a value at each step. A step is any number that identifies a point of the
/// curve (updates, epochs, levels). Steps can be in any order; none may appear twice.
struct SeedCurve {
  std::vector<double> steps, values;
};

/// What a Series shows of several seeds: x = steps, y = mean.
struct Band {
  std::vector<double> steps, mean;
  std::vector<double> sd;         // of a sample, with n - 1; empty for a single seed
  std::vector<double> low, high;  // mean -+ sd; empty for a single seed
};

/// Pairs the seeds by step: a point is kept if all of them have it, in the order of the first seed.
/// Where a value is not finite, neither is the band, which leaves a gap in a figure. Without seeds
/// there are no points.
Band band_over_seeds(const std::vector<SeedCurve>& seeds);

/// Explains the bands in the title of a figure: "Lines: means over 3 seeds; bands: ± 1 s.d.";
/// empty without bands.
std::string band_note(int64_t fewest_seeds, int64_t most_seeds);

/// Mean over seeds, half the width of its 95 % confidence interval (Student's t), its standard error
/// sd / sqrt(n), and the standard deviation sd of a sample (n - 1). All but the mean are not a number
/// for a single seed.
struct MeanOfSeeds {
  double mean, margin, std_error, sd;
};
MeanOfSeeds mean_of_seeds(const std::vector<double>& values);

}  // namespace unlazy::report
