// The pictures of a run: the paper's Figures 2 and 4 with all panels, the escape from the lazy
// regime, neuron norms, and the settings of a grid side by side.
#pragma once

#include <vector>

#include "report/figure.h"
#include "synthetic/records/run.h"

namespace unlazy::synthetic {

std::vector<report::Figure> figures(const SyntheticOptions& options,
                                    const std::vector<RunResult>& results);

/// The names of all figures, with `#` for a number: the files that a run owns (train/run_dir.h).
std::vector<std::string> figure_names();

}  // namespace unlazy::synthetic
