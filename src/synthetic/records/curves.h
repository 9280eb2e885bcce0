// The common part of the figures of runs: quantities over time with their bands, the panels they
// are in, and the title that names the setting.
#pragma once

#include <string>
#include <vector>

#include "report/figure.h"
#include "synthetic/records/run.h"

namespace unlazy::synthetic {

/// Series and panels of some runs. `options` and `results` must outlive it.
class Curves {
 public:
  Curves(const SyntheticOptions& options, const std::vector<RunResult>& results)
      : options_(options), results_(results) {}

  /// A quantity of a group of runs over time, with its band over seeds.
  report::Series series(const std::string& label, int64_t group, double Record::*value,
                        int color = -1) const;
  /// An empty panel over all steps of a run. log_x follows the spacing of the records unless given.
  report::Panel panel(const std::string& title, const std::string& y_label, bool log_y) const;
  report::Panel panel(const std::string& title, const std::string& y_label, bool log_y,
                      bool log_x) const;

 private:
  const SyntheticOptions& options_;
  const std::vector<RunResult>& results_;
};

/// "8 seeds, mean ± s.d." or "seed 0".
std::string seeds_text(const SyntheticOptions& options);

/// "sam: eta = 0.001, rho = 0.2, m = 1000, d = 20, |theta*| = 1; 8 seeds, mean +- s.d.", written
/// for gnuplot's enhanced text.
std::string method_text(const SyntheticOptions& options, const RunResult& run);

}  // namespace unlazy::synthetic
