// What the ground of a picture says about time: the two phases of the dynamics, or when periodic
// noise is on.
#pragma once

#include "report/figure.h"
#include "synthetic/records/run.h"

namespace unlazy::synthetic {

/// Where Phase II begins, by the mean |cos(w, theta*)| over neurons and the seeds of `group`: the
/// first record from which on it keeps a tenth of its whole rise. In Phase I the norms shrink, in
/// Phase II the neurons align. -1: the cosine rises by less than 0.1, so there is no Phase II yet.
/// The tenth is our choice; the paper names the phases without a criterion.
double phase_two_begin(const std::vector<RunResult>& results, int64_t group);

/// Shades the time when periodic noise is on, or else names the phases at the top of the panel.
void add_spans(report::Panel& panel, const SyntheticOptions& options,
               const std::vector<RunResult>& results, int64_t group);

}  // namespace unlazy::synthetic
