// What simple arguments predict for one-sample label noise SGD on the two-layer network. Nothing is
// fitted, and there is no free constant.
//   Phase I    q = |W|_F^2 solves  ln(q0 / q) - (lr/2) (q0 - q) = lr^2 sigma^2 t
//              At each step a_i jumps by lr r (x.w_i), and |w_i|^2 loses as much. r^2 is sigma^2
//              plus the excess that the jumps cause. The loss is (sigma^2/2) lr q / (2 - lr q).
//   plateau    W has become rank one along theta*. w_i and a_i are Gaussian over i, with |w_i|^2
//              and a_i^2 in the balance of the noise:
//                mean |w_i| = sqrt(2/pi) sqrt(|theta*| sqrt(d) / m)
//                mean |a_i| = sqrt(2/pi) sqrt(|theta*| / (sqrt(d) m))
// These predictions are ours, not the paper's. lr is the effective rate (twice the learning rate
// when the loss is r^2).
#pragma once

#include <vector>

#include "synthetic/records/run.h"

namespace unlazy::synthetic {

struct PhaseOne {
  std::vector<double> step, norm, loss;
};
/// Does the prediction apply: linear network, one sample per step, noise that is always on, no SAM?
bool has_phase_one(const SyntheticOptions& options, const RunResult& run);
/// From the run's first record until the norm reaches the plateau. norm is the mean over neurons.
PhaseOne phase_one(const SyntheticOptions& options, const RunResult& run);

struct Plateau {
  double norm = 0, a = 0;
};
Plateau plateau_of(const RunResult& run);

}  // namespace unlazy::synthetic
