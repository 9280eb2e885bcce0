// The curves of runs in one picture: Figure 1a, b of the paper and related curves.
#pragma once

#include <string>
#include <vector>

#include "report/figure.h"

namespace unlazy::train {

/// Test loss and test accuracy (smoothed where the runs have the smoothed curve, and called so),
/// training loss and the distance from initialisation, against epochs. Runs that differ only in the
/// seed are one line with a band; it is named by what tells it from the others ("τ = 0.1") and has
/// the colour of its noise rate. Runs without config.json, or of the same settings and seed, are
/// one line each, named by the last part of their folders (more parts if runs share it). Throws
/// Error when no run has a curve, or like report::read_metrics().
report::Figure run_figure(const std::vector<std::string>& runs);

}  // namespace unlazy::train
