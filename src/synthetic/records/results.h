// The files of a run folder that hold numbers:
//   curves.csv     one row per run and record: lr, sigma, rho, seed, step and the quantities()
//   neurons.csv    the full state of the chosen neurons at each record
//   snapshots.csv  every neuron at a few times, for the first seed of each setting
//   histogram.csv  counts of |w_i| in bins of bin_width
//   escape.csv     for each neuron, the first recorded step outside the lazy ball, for the first
//                  seed of each setting
//   summary.json   for each setting, the last record (mean and standard deviation over seeds),
//                  times, and which runs diverged
#pragma once

#include <array>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/format.h"
#include "synthetic/records/run.h"

namespace unlazy::synthetic {

/// Writes all of them, each whole or not at all.
void write_results(const std::string& folder, const SyntheticOptions& options,
                   const std::vector<RunResult>& results);

/// The content of summary.json.
nlohmann::ordered_json summary(const SyntheticOptions& options,
                               const std::vector<RunResult>& results);

/// A table for the console: some quantities at decades of time, as means over the seeds of a
/// setting (with +- when there are several).
std::string table_text(const std::vector<RunResult>& results, int64_t group);

/// "lr 0.001, sigma 4": what distinguishes a setting from the others of the grid, or the whole
/// setting when there is only one. `number` writes a number.
std::string setting_text(const SyntheticOptions& options, const Setting& setting,
                         const std::array<const char*, 3>& names = {"lr ", "sigma ", "rho "},
                         std::string (*number)(double) = number_text);

/// The first run of each setting.
std::vector<const RunResult*> first_of_groups(const std::vector<RunResult>& results);

}  // namespace unlazy::synthetic
