// Runs the points of a sweep, several at a time, each as a process of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "sweep/plan.h"

namespace unlazy::sweep {

struct RunnerOptions {
  int64_t jobs = 1;           // points at a time
  double lock_timeout = 60;   // seconds: lock.h
  bool retry_failed = false;  // points that have failed before this call
  // Until points that other processes run are done as well. Otherwise only until it is known
  // whether their owners live, at most twice the timeout.
  bool waits_for_others = true;
  std::vector<std::string> gpus = {};  // what CUDA_VISIBLE_DEVICES may be, taken in turn
};

struct RunnerHooks {
  /// The arguments of the program that run a point, after its own name.
  std::function<std::vector<std::string>(const Point&)> arguments;
  std::function<void(const std::string&)> on_line;    // what happens
  std::function<void(const std::string&)> on_status;  // how far it is: may replace the last one
  std::function<int()> signal;  // received so far, or 0: the runs are then stopped
};

struct Summary {
  int64_t done = 0;
  std::vector<std::string> failed;  // points
  std::vector<std::string> open;    // not done and not failed: stopped, killed or run by others
  std::vector<std::string> held;    // those of them that others run: "seed=0 (HOST, process 12)"
};

/// Runs the points that are neither done nor failed. A run that exists goes on. A point whose run
/// fails is recorded (state.h), and the others go on. One whose process is killed from outside is
/// no failure: it is left to the next call. At a signal the runs get SIGTERM, and it waits until
/// they have written their checkpoints. Throws Error when the folder cannot be written.
Summary run_points(const SweepFolder& folder, const std::vector<Point>& points,
                   const RunnerOptions& options, const RunnerHooks& hooks);

/// The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them: those that the variable
/// names, else all that the driver shows.
std::vector<std::string> visible_gpus();

}  // namespace unlazy::sweep
