// The curves of runs in one picture: Figure 1a, b of the paper and related curves.
#pragma once

#include <string>
#include <vector>

#include "report/figure.h"

namespace unlazy::train {

/// One line per run, named by the last part of its folder (more parts if runs share it): test loss
/// and test accuracy (smoothed where the run has the smoothed curve), training loss and the
/// distance from initialisation, against epochs. Throws Error when no run has a curve, or like
/// report::read_metrics().
report::Figure run_figure(const std::vector<std::string>& runs);

}  // namespace unlazy::train
