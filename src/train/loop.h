// The training loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "train/checkpoint_writer.h"
#include "train/experiment.h"
#include "train/recorder.h"
#include "train/run_dir.h"

namespace unlazy::train {

/// What a progress line shows.
struct Progress {
  int64_t step = 0;
  int64_t end = 0;
  double epoch = 0;
  double images_per_second = 0;  // of training, evaluation not counted
  double seconds_left = 0;       // of training
  TrainTotals totals;            // since the last measurement
};

/// How the loop talks to its caller. Empty functions are not called.
struct Hooks {
  std::function<void(const Progress&)> on_progress;  // about once a second
  std::function<void(const std::string&)> on_line;   // one line per measurement
  std::function<bool()> should_stop;                 // asked after every step; true: stop
  /// At each --measure-every, after the measurements.
  std::function<void(int64_t step, const measure::Subject&)> on_measured = {};
};

enum class Outcome { kDone, kInterrupted };

/// The only training loop: runs the steps and, between them, measurements and checkpoints.
class Loop {
 public:
  /// All arguments must outlive it. Throws Error when log.txt cannot be written.
  Loop(Experiment& experiment, RunDir& run, Recorder& recorder, const Hooks& hooks);
  /// Trains from `start`, the step of the checkpoint that was loaded, or from the experiment's
  /// first step, and marks the run as done. When interrupted, it writes a checkpoint first. Throws
  /// Error naming the step and the learning rate when the loss or the weights are not finite, and
  /// the Error of a checkpoint that could not be written, which may be some steps old. Checkpoints
  /// only hold finite states. A normal end has waited for the last one to be on the disk; after an
  /// Error the destructor waits for it.
  Outcome run(std::optional<int64_t> start);

 private:
  bool is_checkpoint_wanted(int64_t step) const;
  struct Measurement {
    measure::Measure* make;
    int64_t every;
    bool is_log;
  };

  bool is_due(int64_t step, int64_t every) const;
  bool is_due(int64_t step, const Measurement& measurement) const;
  void check_finite(const TrainTotals& totals);
  [[noreturn]] void fail_not_finite(const char* what, int64_t step);
  void note_graph_problem();
  double waited_seconds();
  void report_progress(int64_t step);
  void measure(int64_t step);
  void record_measurements(int64_t step);
  void record_totals(int64_t step, const TrainTotals& totals);
  void write_line(int64_t step);
  void checkpoint(int64_t step);

  Experiment& experiment_;
  RunDir& run_;
  Recorder& recorder_;
  const Hooks& hooks_;
  std::ofstream log_;
  int64_t measure_every_, checkpoint_every_;
  std::vector<Measurement> measurements_;
  std::vector<int64_t> checkpoint_at_;
  CheckpointWriter writer_;
  double step_seconds_ = 0;  // spent in steps, without what happens between them
  int64_t start_ = 0, images_ = 0;
  std::chrono::steady_clock::time_point last_progress_ = std::chrono::steady_clock::now();
  bool has_noted_graph_ = false;
};

}  // namespace unlazy::train
