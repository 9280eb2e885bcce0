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

/// The mean over layers of effective_rank / effective_rank(0); empty where it was not measured.
report::Curve relative_rank(const std::map<std::string, report::Curve>& run);

/// The statements for the runs of all seeds; `what` is "label noise" or "SAM". The runs must have
/// train_set_loss, test_loss and first_layer_norm. The statements about the kernel, distances,
/// activations and ranks are only made if these were measured.
std::vector<Statement> statements_of(const std::vector<Runs>& seeds, const std::string& what);

}  // namespace unlazy::experiments
