// All numbers that `unlazy measure` made of a run in one table:
//   run,step,epoch,settings,name,index,value
// One row per (run, step, settings, name); a curve has a row per point with its index.
// src/measure/README.md says what each name is.
#pragma once

#include <string>

namespace unlazy::train {

/// Writes RUN/measure.csv from RUN/measure-*.json, whole or not at all, by step, then settings
/// ("rho=0.1 split=test", empty for the default ones). Throws Error naming a file that is not one
/// of `unlazy measure`.
void write_measure_table(const std::string& run);

}  // namespace unlazy::train
