// Figure 1c: test accuracy Acc(theta(T; alpha)) against the weights alpha that are left after
// pruning, one panel for each protocol.
#pragma once

#include <string>
#include <vector>

#include "experiments/pruning_comparison.h"
#include "report/figure.h"

namespace unlazy::experiments {

/// One line for each group with the number n of its seeds in the legend. A line of label noise has
/// the colour of its rate. The accuracy of guessing is drawn where an accuracy comes near it.
report::Figure pruning_figure(const std::string& name, const std::vector<CurveGroup>& groups);

}  // namespace unlazy::experiments
