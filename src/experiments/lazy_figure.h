// The picture of a comparison (Figures 3 and 5): losses, norm of the first layer and kernel of a
// network and of its linearisation, by gradient descent without and with noise or SAM.
#pragma once

#include <string>
#include <vector>

#include "experiments/lazy_statements.h"
#include "report/figure.h"
#include "train/experiment.h"

namespace unlazy::experiments {

/// `seeds`: the curves of each seed, which are one line with a band. `train`: how the perturbed
/// runs were made. `numbers`: of the seeds. `num_asked`: how many seeds there were before those that
/// diverged were left out, which the title says; 0: as many.
report::Figure lazy_figure(const std::string& name, const train::TrainOptions& train,
                           const std::vector<Runs>& seeds, const std::vector<int64_t>& numbers,
                           size_t num_asked = 0);

}  // namespace unlazy::experiments
