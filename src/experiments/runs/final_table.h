// The numbers at the end of training, over the seeds of each group, as a table for a page, a paper
// or a program.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "experiments/runs/run_set.h"
#include "report/band.h"
#include "report/metrics.h"

namespace unlazy::experiments {

/// What is read off a curve.
struct EndOfCurve {
  double last = 0;   // its last value
  double tenth = 0;  // mean of the values in the last tenth of the steps that it spans
  double best = 0;   // its greatest accuracy or smallest loss; not a number for other curves
};
EndOfCurve end_of_curve(const std::string& name, const report::Curve& curve);

struct TableCell {
  int64_t num_seeds = 0;  // the seeds of the row that have the curve
  report::MeanOfSeeds last, tenth, best;
};

// The runs that a row is made of. A run that has not finished is left out, since its numbers are not
// those of the end of training; where no run of a group has finished, the row shows all of them as
// far as they are, and says so.
struct TableRuns {
  std::vector<size_t> members;  // of RunSet::runs
  bool is_finished = true;
  int64_t num_left_out = 0;
};

struct FinalTable {
  std::vector<RunGroup> groups;
  std::vector<TableRuns> runs;                         // one per group
  std::vector<std::string> curves;                     // names, sorted
  std::vector<std::map<std::string, TableCell>> rows;  // one per group, by curve
};
FinalTable final_table(const RunSet& set, const std::vector<RunGroup>& groups);

/// The curves that a table for a paper has when none are named, as far as the runs have them.
std::vector<std::string> usual_curves(const FinalTable& table);

/// "2", "2 (1 unfinished left out)", "1 (unfinished)": how many runs row `i` is made of.
std::string runs_text(const FinalTable& table, size_t i);

/// One row per group and curve: the options that tell the groups apart (one column "group" when
/// there are none), curve, n, last, tenth and best with _mean, _se and _sd, and state: "finished" or
/// "unfinished". All curves.
std::string table_as_csv(const FinalTable& table);

/// One row per group; for each of `curves` the last value, the mean of the last tenth of training
/// and the best value, each as mean ± standard error, with " (n = 2)" where fewer seeds than the row
/// has have the curve. Throws a misuse Error for a curve that no run
/// has.
std::string table_as_markdown(const FinalTable& table, const std::vector<std::string>& curves);
/// The same as a tabular environment with the rules of the package booktabs.
std::string table_as_latex(const FinalTable& table, const std::vector<std::string>& curves);

/// "0.8123 ± 0.0045": the mean to the second digit of its standard error; without one, to four
/// digits. "-" where there is no number.
std::string with_error(double mean, double std_error, const std::string& plus_minus = " ± ");

}  // namespace unlazy::experiments
