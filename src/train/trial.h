// What a run would cost: a few of its steps and each of its measurements are tried, and nothing is
// written. For --dry-run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/experiment.h"

namespace unlazy::train {

struct Trial {
  struct Measurement {
    std::string name;
    int64_t times = 0;   // how often the run would make it
    double seconds = 0;  // of one; -1: not tried, since those before had taken too long
  };
  std::string description;  // network, device, precision, data, steps: as the run would say it
  int64_t parameters = 0;
  int64_t steps = 0;
  double step_seconds = 0;  // mean over the run, as far as it was tried
  std::vector<Measurement> measurements;
  int64_t memory_bytes = 0;  // peak so far: of the GPU, or of the process; 0: unknown
  bool is_on_gpu = false;
  int64_t checkpoints = 0;  // that the run would keep
  int64_t start_bytes = 0;  // of theta0, for a linearised network
  int64_t checkpoint_bytes = 0;
  int64_t curve_bytes = 0;  // about, of metrics.csv and TensorBoard's events at the end

  double training_seconds() const { return static_cast<double>(steps) * step_seconds; }
  /// Of the measurements that were tried.
  double measuring_seconds() const;
  double seconds() const { return training_seconds() + measuring_seconds(); }
  int64_t disk_bytes() const { return start_bytes + checkpoints * checkpoint_bytes + curve_bytes; }
};

/// Tries the run for some seconds, more where a single measurement takes long. Throws the misuse
/// Errors of an Experiment. `options.run.out` is not looked at.
Trial try_run(const TrainOptions& options);

/// The line about memory; empty where it is unknown.
std::string memory_text(const Trial& trial);
/// The lines of --dry-run: description, time, memory, disk.
std::string text_of(const Trial& trial);

}  // namespace unlazy::train
