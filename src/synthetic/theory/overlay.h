// The figure of the predictions: simple arguments (predictions.h) drawn over the measured curves.
#pragma once

#include <optional>
#include <vector>

#include "report/figure.h"
#include "synthetic/records/run.h"

namespace unlazy::synthetic {

/// Mean norm, training loss and second layer of the first setting, measured and predicted. Empty
/// where the predictions do not apply or the run ended before its first snapshot.
std::optional<report::Figure> overlay_figure(const SyntheticOptions& options,
                                             const std::vector<RunResult>& results);

}  // namespace unlazy::synthetic
