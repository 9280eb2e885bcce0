// A run on disk as one thing: what it is, whether it is finished, whether it is the run that is
// asked for, and how it continues. Everything that trains, resumes, prunes, measures or compares
// runs asks here.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "train/experiment.h"
#include "train/loop.h"

namespace unlazy::train {

/// The options that the run in `folder` was made with, without --out, --resume and --overwrite.
/// Throws a misuse Error when it holds no run of unlazy train.
TrainOptions options_of(const std::string& folder);
/// For each of `folders`: itself, if it holds a run of unlazy train; otherwise its subfolders that
/// do, sorted by name, which must be finished. A run that is named twice is there once. Throws a
/// misuse Error when a folder has no run, or runs that are not finished.
std::vector<std::string> runs_in(const std::vector<std::string>& folders);
/// options_of() with the device of `compute` and, if `precision_is_given`, its precision.
TrainOptions options_of(const std::string& folder, const ComputeOptions& compute,
                        bool precision_is_given);

/// Throws a misuse Error when the weights of the two runs belong to different functions: one run is
/// linearised and the other is not, or they are linearised at different points.
void check_same_start(const std::string& folder, const std::string& other);

/// `step` or, for -1, the newest step among the checkpoints of the run in `folder`. Throws a misuse
/// Error when there is none, naming those that exist.
int64_t chosen_checkpoint(const std::string& folder, int64_t step);
/// The weights in that checkpoint.
std::string weights_of(const std::string& folder, int64_t step);
std::string newest_weights(const std::string& folder);

/// Which options must agree between those asked for and an existing run.
enum class Sameness {
  kGoesOn,  // settings and sources: the run may become longer, and be measured in other ways
  kSeries,  // curves too: it is put beside others, whose rows must be of the same steps
  kResult,  // settings, sources and length: what was made of a run, such as a pruning curve
  kExact,   // all of these: a run that results were made of
};
/// Throws a misuse Error naming the first option that does not agree with config.json in `folder`.
/// "auto" agrees with any resolved value; an option that the file lacks agrees.
void check_same_run(const Options& options, const std::string& folder, Sameness sameness);

/// config.json of a result: the options without requests (--resume, ...), and under "about" the
/// versions, the machine, `files` (run_dir.h) and the contents of `about`.
nlohmann::ordered_json stamp(const Options& options, const std::vector<std::string>& files,
                             const nlohmann::ordered_json& about);

/// The same for a training run, with resolved values (precision, threads, the number of steps).
/// `command`: "train", or the command that the run belongs to.
nlohmann::ordered_json config_of_run(const Experiment& experiment, const std::string& command);

/// The first line of a run: network, device, precision, threads, data and number of steps.
std::string description(Experiment& experiment);

/// Is the run of `command` that `options` name finished? That needs options.run.resume, DONE, the
/// same settings and at least the requested length; a shorter one that is DONE will continue.
/// Throws a misuse Error when it was made with other settings or curves, or is longer.
bool is_finished(const TrainOptions& options, const std::string& command);

/// Throws a misuse Error when the run that `options` name is finished and longer than requested.
void check_length(const TrainOptions& options);

/// Trains. With options.run.resume, the run in options.run.out continues from its newest readable
/// checkpoint, or from its start if it has none; a run that does not exist is started, and a
/// finished one is left alone. Says on hooks.on_line what it does. Throws a misuse Error when the
/// existing run is a different one.
Outcome run_training(const TrainOptions& options, const Hooks& hooks,
                     Sameness sameness = Sameness::kGoesOn);

/// One run of a series, such as a comparison: as run_training, but the curves must agree, too.
inline Outcome run_unfinished(const TrainOptions& options, const Hooks& hooks) {
  return run_training(options, hooks, Sameness::kSeries);
}

}  // namespace unlazy::train
