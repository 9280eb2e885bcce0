// Reads what runs wrote: metrics.csv (step,epoch,name,value).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace unlazy::report {

/// One curve of a run.
struct Curve {
  std::vector<int64_t> steps;
  std::vector<double> epochs;
  std::vector<double> values;
};

/// The curves of a run by name.
using Curves = std::map<std::string, Curve>;

/// The curves of a run. Throws Error naming file and line when RUN/metrics.csv is missing
/// or not such a table. Throws a misuse Error that says where the runs are for a folder of another
/// command or of several runs. An incomplete last row (of a running or killed run) is left out.
Curves read_metrics(const std::string& run);

/// The same for a run that may be about to begin, be going on, or be cut back by a resume at this
/// moment: without a table, or with one whose first line is not complete, there are no curves, and
/// the table ends before a line that is no row. Throws Error when the file is another table.
Curves read_metrics_so_far(const std::string& run);

/// The number of bytes of the table in `path` up to and including the last whole row of a step <=
/// `step`; rows are in the order of steps. 0 for a file that is empty or incomplete in its first
/// line. A line that is not a row ends the table if it begins at or after `trusted` bytes; before
/// that it is an Error naming the line. Throws Error when the file cannot be read.
uint64_t metrics_until(const std::string& path, int64_t step, uint64_t trusted);

/// A table of runs for people: one row per run with its last epoch, its last and smoothed test
/// accuracy and loss, and its last training accuracy; "-" where a run has no such curve. Runs are read
/// as by read_metrics_so_far(), which also says what it throws.
std::string run_table(const std::vector<std::string>& runs);

}  // namespace unlazy::report
