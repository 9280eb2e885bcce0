// The training loop.
#pragma once

#include <functional>
#include <string>

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

/// How the loop speaks to the outside. Empty functions are not called.
struct Hooks {
  std::function<void(const Progress&)> on_progress;  // about once a second
  std::function<void(const std::string&)> on_line;   // one line a measurement
  std::function<bool()> should_stop;                 // asked after every step: an interrupt
};

enum class Outcome { kDone, kInterrupted };

/// Trains from `start` (0, or the step of the checkpoint that was loaded) to the end: measures,
/// writes checkpoints, and marks the run as done. When interrupted it writes a checkpoint first.
/// Throws Error when the loss is not finite, naming the step and the learning rate; checkpoints
/// hold finite states only.
Outcome train(Experiment& experiment, RunDir& run, Recorder& recorder, int64_t start,
              const Hooks& hooks);

/// May a resumed run change this option? Where it is computed, what is measured and written, how
/// long it trains.
bool may_change_at_resume(const std::string& option);

/// Opens the run directory that the options name, builds the experiment, resumes it when asked to,
/// and trains. `config`: the resolved options, for config.json.
Outcome run_training(const TrainOptions& options, const nlohmann::ordered_json& config,
                     const Hooks& hooks);

/// A run of a series that may have been begun before: with options.run.resume one that is DONE is
/// left alone, one with a checkpoint is continued, and one without starts anew. Throws a misuse
/// Error when it was made with other settings.
bool is_finished(const TrainOptions& options);
Outcome run_unfinished(TrainOptions options, const Hooks& hooks);

}  // namespace unlazy::train
