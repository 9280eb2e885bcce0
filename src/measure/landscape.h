// Slices of the loss landscape: loss and accuracy along a line or over a plane of weights.
//   line    theta(a) = (1 - a) theta_0 + a theta_1     between two checkpoints
//                                                      (Goodfellow, Vinyals and Saxe 2015)
//   plane   theta(a, b) = theta + a d_1 + b d_2        around one checkpoint (Li et al. 2018)
// d_1 and d_2 are random. Each filter of a direction is scaled to the norm of the network's own
// filter. So a step of 1 moves every filter by its own norm, whatever the scales of the layers, and
// planes of different networks can be compared. There are no directions from the trajectory (PCA).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/rng.h"
#include "measure/measurement.h"

namespace unlazy::measure {

/// --points, --range, --samples, ...
struct LandscapeOptions {
  int64_t points = 21;              // along each axis
  std::vector<double> range = {};   // smallest and largest step; empty: see steps_of()
  int64_t samples = 256;            // use the first N of a split; 0: all
  std::string split = "train";      // of a plane; a line has both
  std::string statistics = "auto";  // auto, fixed, interpolate, recalibrate
  int64_t statistics_samples = 512;
  std::string directions = "weights";  // weights, all
  int64_t seed = 0;                    // of the directions
};
OptionTable describe(LandscapeOptions& options);

/// `points` steps from range[0] to range[1], both included; by default -0.5 to 1.5 on a line and
/// -0.5 to 0.5 in a plane, where the basin of a trained network is seen. Throws a misuse Error for a range that is not two ascending numbers, or whose
/// points are too far out or too close together.
std::vector<double> steps_of(const LandscapeOptions& options, bool is_line);

/// What --bn-statistics auto means: recalibrate on a line, fixed in a plane as in Li et al.
std::string resolved_statistics(const LandscapeOptions& options, bool is_line);

/// A point in weight space: master values [P] and the buffers of the module in its order.
struct Place {
  at::Tensor values;
  std::vector<at::Tensor> buffers;
};
/// A copy of the network's present place.
Place place_of(const Subject& subject);

/// [P] A direction with entries from N(0, 1). Each filter (row of a weight's first dimension) is
/// scaled to the norm of the same filter of `parameters`. Pruned weights do not move. Biases and
/// normalisation layers do not move either or, with `has_all`, each is scaled as one filter.
at::Tensor filter_normalized_direction(const optim::FlatParameters& parameters, bool has_all,
                                       Rng& rng);

/// Loss and accuracy at each point of a slice, on clean labels without augmentation.
struct Slice {
  std::vector<double> loss, accuracy;
};

/// Moves a network through weight space. When it is destroyed, weights and buffers are again bit
/// for bit what they were.
///
/// The running statistics of BatchNorm belong to the weights that they were collected with:
///   fixed        keeps those of the checkpoint everywhere (on a line: of its start)
///   interpolate  moves them like the weights, on a line. Variances would become negative outside
///                and are kept >= 0.
///   recalibrate  collects them again at each point over training batches (models::recalibrate), so
///                they are those that the network at this point would have. Between two checkpoints
///                of different runs, the other choices show barriers that come from the statistics
///                and not from the weights (Jordan et al. 2023).
class Landscape {
 public:
  using Progress = std::function<void(int64_t done, int64_t total)>;
  /// `parameters` are the writable ones of `subject`. Evaluates the first options.samples images.
  Landscape(const Subject& subject, optim::FlatParameters& parameters,
            const LandscapeOptions& options, Progress progress = {});
  ~Landscape();
  Landscape(const Landscape&) = delete;
  Landscape& operator=(const Landscape&) = delete;

  struct Line {
    Slice train, test;
  };
  Line line(const Place& from, const Place& to);
  /// One row for each step along `second`, ascending; within a row, ascending steps along `first`.
  Slice plane(const at::Tensor& first, const at::Tensor& second);

 private:
  void move(const at::Tensor& values, const std::vector<at::Tensor>& buffers);
  void measure(const LabelledReader& split, Slice& slice);

  const Subject& subject_;
  optim::FlatParameters& parameters_;
  LandscapeOptions options_;
  Progress progress_;
  Place home_;
};

/// The greatest rise of the loss above the straight line between its values at steps 0 and 1
/// (Frankle et al. 2020). It is 0 for networks that are linearly connected, and NaN when `steps`
/// does not contain 0 and 1.
double barrier(const std::vector<double>& steps, const std::vector<double>& loss);

}  // namespace unlazy::measure
