// What the paper claims of label noise, checked on the runs that are there. Each number is a
// difference within a pair: a run with noise and the run without, of the same seed (and so the same
// initialisation, batches and crops) and of the same settings otherwise.
//
//   claim                              number of a run                     effect that is asked for
//   raises the test accuracy           test_accuracy,                      1 point or more
//   (the paper: by about 1.5 points)   test_accuracy_recalibrated
//   sparser: loses less when pruned    accuracy over the pruning curve,    1 point or more
//                                      less that of the dense network,
//                                      mean over the log of the density
//   sparser: more activations are 0    activation_sparsity                 1 point or more
//   leaves the lazy regime: farther    lazy_distance_train, _test          10 % or more
//   from its own linearisation
//   leaves the lazy regime: kernel     ntk_distance                        10 % or more
//   farther from the one at the start
//
// A number of a run is the mean of a curve over the last tenth of training, since single readings
// jump; where the two runs of a pair do not both have such a curve, what `unlazy measure` made of
// both. A pair has numbers when both runs are finished, or have come to the same step. A claim holds
// when the mean over pairs reaches the effect and its 95 % confidence interval (Student's t) lies
// above 0, does not hold when the whole interval lies below the effect, and is not clear otherwise
// (experiments/statement.h). It takes two pairs to decide, and all pairs must have numbers. The thresholds are our choice: the paper
// gives no spread over seeds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "experiments/runs/run_set.h"
#include "experiments/statement.h"

namespace unlazy::experiments {

/// A claim checked on one group with noise.
struct ClaimCheck {
  std::string with, without;                        // names of the two groups
  size_t num_pairs = 0;                             // that there are; not all may have numbers
  std::vector<int64_t> seeds;                       // of the pairs that have numbers
  std::vector<double> values_with, values_without;  // one per seed
  Effect effect;                                    // of the differences that there are
};
/// " (2 of 5 pairs without a number)", empty when all have one.
std::string missing_text(const ClaimCheck& check);

struct Claim {
  std::string text;
  std::string number;  // "test_accuracy, mean of the last tenth"
  std::string needs;   // what to measure, for a claim without checks
  std::vector<ClaimCheck> checks;
};

/// All claims of the list above, also those that nothing was measured for. `groups`: groups_of(set).
std::vector<Claim> claims_of(const RunSet& set, const std::vector<RunGroup>& groups);

/// Claims with their numbers as text for a terminal: one line per check.
std::string claims_text(const std::vector<Claim>& claims);

}  // namespace unlazy::experiments
