// One-sample label noise SGD on all m neurons that observes every neuron at every step, for Theorem
// 2 and Lemma 3.
//   DeltaW_i(j) = -g_j^2 [(x_j . w_i)^2 - a_i^2 |x_j|^2],   g_j = r_j (2 r_j when the loss is r^2)
//   |w_i(T)|^2 = |w_i(0)|^2 + lr^2 sum_j DeltaW_i(j) - a_i(0)^2 + a_i(T)^2
// The second line is the identity under Theorem 2. It is exact, but only with the brackets, which
// the paper does not print.
#pragma once

#include "synthetic/engine/engine.h"

namespace unlazy::synthetic {

struct LazyProbe {
  int64_t steps = 0;                // that were run
  std::vector<int64_t> escape;      // [m], first step after which neuron i is outside the ball
                                    // 1/sqrt(m); -1 not within `steps`
  double share_not_positive = 0;    // of DeltaW <= 0, over neurons and steps
  double worst_share = 1;           // the same for the neuron where it is smallest
  double share_far = 0;             // of DeltaW <= -(sigma/4)^2
  double largest = 0;               // DeltaW
  double identity_error = 0;        // largest over neurons, relative to |w_i(0)|^2
  double mean_square_residual = 0;  // E[r^2], noise included, over all steps
};

/// Runs until all neurons have left the ball, but at most `most_steps`. The draws are those of the
/// engines for this seed. Requires a rule with one sample per step and rho = 0.
LazyProbe probe_lazy(const Rule& rule, const Problem& problem, int64_t m, double init_scale,
                     uint64_t seed, int64_t most_steps);

}  // namespace unlazy::synthetic
