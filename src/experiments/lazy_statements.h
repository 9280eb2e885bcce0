// What the paper says about its Figures 3 and 5: each statement with its numbers for every seed.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "experiments/statement.h"
#include "report/metrics.h"

namespace unlazy::experiments {

/// The places of the four runs of a seed.
enum Place : size_t { kClean, kPerturbed, kLinear, kLinearPerturbed };
/// One seed's curves of the four runs, by Place.
using Runs = std::vector<std::map<std::string, report::Curve>>;

/// The statements for the runs of all seeds; `what` is "label noise" or "SAM". The runs must have
/// train_set_loss, test_loss and first_layer_norm. The statements about the kernel and the lazy
/// distance are only made if these were measured.
std::vector<Statement> statements_of(const std::vector<Runs>& seeds, const std::string& what);

}  // namespace unlazy::experiments
