#include "sweep/options.h"

#include <sched.h>

#include <algorithm>
#include <thread>

namespace unlazy::sweep {
namespace {

// Those that this process may use: taskset, a container and Slurm may leave it only some.
int64_t num_cores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (::sched_getaffinity(0, sizeof cores, &cores) == 0 && CPU_COUNT(&cores) > 0)
    return CPU_COUNT(&cores);
  return std::max<int64_t>(1, std::thread::hardware_concurrency());
}

}  // namespace

OptionTable describe(SweepOptions& o) {
  return {
      "Sweep",
      {
          {.name = "grid",
           .target = &o.grid,
           .help = "A JSON file with axes, zipped axes and conditions, before those that follow "
                   "--.",
           .role = Role::kRequest,
           .is_common = true},
          {.name = "zip",
           .target = &o.zip,
           .help = "Axes that vary together, the first value of one with the first of the other: "
                   "lr+batch.",
           .role = Role::kRequest,
           .is_common = true},
          {.name = "when",
           .target = &o.when,
           .help = "An axis that is set only where a condition holds: noise:noise-rate>0.",
           .role = Role::kRequest,
           .is_common = true},
          {.name = "jobs",
           .target = &o.jobs,
           .range = Range::closed(0, 1024),
           .help = "Runs at a time, each with its share of the cores; 0: one a GPU, or one a core.",
           .role = Role::kRequest,
           .is_common = true},
          {.name = "retry-failed",
           .target = &o.retry_failed,
           .help = "Try the points again that have failed before.",
           .role = Role::kRequest,
           .is_common = true},
          {.name = "lock-timeout",
           .target = &o.lock_timeout,
           .range = Range::closed(2, 86400),
           .unit = "seconds",
           .help = "A process on another machine that was silent for so long counts as dead, and "
                   "its point is taken over.",
           .role = Role::kRequest},
          {.name = "dry-run",
           .target = &o.dry_run,
           .help = "List the points, and what the first one and all of them need; run nothing.",
           .role = Role::kRequest,
           .is_common = true},
      }};
}

int64_t num_jobs(const SweepOptions& options, size_t num_gpus, size_t num_points) {
  const int64_t usual = num_gpus > 0 ? static_cast<int64_t>(num_gpus) : num_cores();
  const int64_t jobs = options.jobs > 0 ? options.jobs : usual;
  return std::max<int64_t>(1, std::min(jobs, static_cast<int64_t>(num_points)));
}

int64_t threads_a_job(int64_t jobs) { return std::max<int64_t>(1, num_cores() / jobs); }

}  // namespace unlazy::sweep
