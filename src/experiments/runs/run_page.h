// The page of `unlazy report --out FILE.html`: everything that is known of some runs, as the data
// of report/page.h.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "experiments/runs/claims.h"
#include "experiments/runs/final_table.h"
#include "experiments/runs/run_set.h"

namespace unlazy::experiments {

/// How large the page may become: curves are thinned, and pictures left out, to stay below.
inline constexpr size_t kPageBytes = 4'800'000;

/// The data of the page. Members (report/page/page.js reads them):
///   runs      name, folder, seed, group, is_done, steps, epochs, command, options (those that
///             differ between runs)
///   options   those that are the same in all runs
///   groups    name, options, n, look (color, dark, dash)
///   grids     steps of curves, and epochs per step
///   curves    by name: bands (group, n, grid, mean, sd) and seeds (run, grid, values)
///   table     final_table(): by curve and group, [mean, standard error, s.d.] of last, tenth, best,
///             and n; runs: n and its text for each row
///   pruning, claims, statements, measured, spectra, pictures, skipped
nlohmann::ordered_json page_data(const RunSet& set, const std::vector<RunGroup>& groups,
                                 size_t most_bytes = kPageBytes);

/// The title of the page for these folders.
std::string page_title(const std::vector<std::string>& folders);

/// The part of the data with curves, thinned so that it takes about `most_bytes`: "grids" and
/// "curves". Smoothed curves (NAME_ema) are left out where the run has NAME: the page smooths.
nlohmann::ordered_json curve_data(const RunSet& set, const std::vector<RunGroup>& groups,
                                  size_t most_bytes);

}  // namespace unlazy::experiments
