// The subjects of Lemmas 4, 5 and 6, run as they specify: width m = 1/sqrt(lr), the run's data.
#pragma once

#include "synthetic/engine/engine.h"

namespace unlazy::synthetic {

/// round(1/sqrt(lr)), at least 1.
int64_t lemma_width(double lr);

struct OscillationProbe {
  double level = 0;      // sqrt(lr)
  int64_t reached = -1;  // first looked-at step at which the mean over seeds and neurons of |w_i|^2
                         // is below it; -1 not within `steps`
  int64_t steps = 0;     // at most 1/lr^2
  double last = 0;       // the mean there
};
/// Lemma 4, over four seeds from `seed` on.
OscillationProbe probe_oscillation(const ModelOptions& model, double lr, uint64_t seed);

struct AlignmentProbe {
  int64_t t2 = 0, t3 = 0;  // ln(1/lr) / (lr |theta*|), and ln(1/lr) / (lr |theta*|^2) later
  double cos_min = 0, cos_median = 0;  // of |cos| at t2
  int64_t aligned = -1;         // first looked-at step with median |cos| >= 1 - ln(1/lr) sqrt(lr)
  double teacher_distance = 0;  // |theta - theta*| at t3
  int64_t converged = -1;       // first looked-at step with |theta - theta*| <= lr ln(1/lr)
  double large_cos_min = 1;     // smallest |cos| at t3 of neurons with |w_i| >= sqrt(lr)
  int64_t num_large = 0;
};
/// Lemmas 5 and 6: full-batch gradient descent from max |w_i| = max |a_i| = sqrt(lr). Requires
/// theta* != 0.
AlignmentProbe probe_alignment(const Problem& problem, double lr, double rate, uint64_t seed);

}  // namespace unlazy::synthetic
