// A sweep as a job array of Slurm: one point a task.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/options.h"
#include "sweep/plan.h"

namespace unlazy::sweep {

struct SlurmOptions {
  bool is_asked = false;
  bool prints = false;  // the script, and nothing else
  std::string options;  // of sbatch: "--partition=gpu --time=02:00:00"
  int64_t limit = 0;    // tasks at a time; 0: no limit
  bool retry_failed = false;
  double lock_timeout = 60;  // seconds: of sweep point
};
OptionTable describe(SlurmOptions& options);

/// "0-2,5%4": the places of points that are not done, and not failed unless `retry_failed`.
/// Empty when there are none.
std::string array_of(const SweepFolder& folder, const Plan& plan, const SlurmOptions& options);

/// The script of the job array. `program`: the path of unlazy. Ahead of the time limit Slurm sends
/// SIGUSR1; the run then writes its checkpoint, and the task is put into the queue again. Throws a
/// misuse Error for a folder whose name Slurm cannot take.
std::string slurm_script(const SweepFolder& folder, const Plan& plan, const SlurmOptions& options,
                         const std::string& program, const std::string& working_folder);

/// Submits the script and returns what sbatch says. Throws Error with its message where it fails or
/// is not installed.
std::string submit(const std::string& script);

}  // namespace unlazy::sweep
