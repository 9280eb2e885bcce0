// What a user chooses about a sweep, besides the options of its runs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/options.h"

namespace unlazy::sweep {

struct SweepOptions {
  std::string grid;               // a file
  std::vector<std::string> zip;   // "lr+batch"
  std::vector<std::string> when;  // "noise:noise-rate>0"
  int64_t jobs = 0;               // 0: default_jobs()
  bool retry_failed = false;
  double lock_timeout = 60;  // seconds
  bool dry_run = false;
};
OptionTable describe(SweepOptions& options);

/// Runs at a time: as many as the user says; for 0 one a GPU, or on a CPU one a core with one thread
/// each (README.md has the measurement). Never more than there are points.
int64_t num_jobs(const SweepOptions& options, size_t num_gpus, size_t num_points);
/// The threads of each of `jobs` runs: a fair share of the cores, at least 1.
int64_t threads_a_job(int64_t jobs);

}  // namespace unlazy::sweep
