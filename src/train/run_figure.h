// The curves of runs in one picture: Figure 1a, b of the paper and what belongs to it.
#pragma once

#include <string>
#include <vector>

#include "report/figure.h"

namespace unlazy::train {

/// One line a run, named by the last part of its folder, or more parts where runs share it: test
/// loss and test accuracy (smoothed where the run has the smoothed curve), training loss and the
/// distance from initialisation, against epochs. Throws Error when no run has a curve, or as
/// report::read_metrics().
report::Figure run_figure(const std::vector<std::string>& runs);

}  // namespace unlazy::train
