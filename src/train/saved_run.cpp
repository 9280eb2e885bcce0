#include "train/saved_run.h"

#include <ATen/Parallel.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "core/device.h"
#include "core/error.h"
#include "core/files.h"
#include "core/format.h"
#include "core/safetensors.h"
#include "core/version.h"
#include "cuda/parts.h"
#include "train/checkpoint.h"
#include "train/recorder.h"
#include "train/run_dir.h"
#include "train/run_files.h"

namespace unlazy::train {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kAuto = "auto";

Json config_of(const std::string& folder) { return read_json_file(folder + "/config.json"); }

constexpr const char* kCommand = "train";
Options described(TrainOptions& options, const std::string& command = kCommand) {
  return Options(command, describe(options));
}

std::string folder_of(const TrainOptions& options) {
  return options.run.out.empty() ? default_out(options) : options.run.out;
}

// The step that the run in `folder` was to end with, and the one that `options` ask for.
struct Lengths {
  int64_t before = 0, now = 0;
};
Lengths lengths_of(const TrainOptions& options, const std::string& folder) {
  const Json config = config_of(folder), about = config.value("about", Json::object());
  if (about.contains("steps"))
    return {about.at("steps"), last_step(options.run, about.at("steps-per-epoch"))};
  // Linearised runs of 0.1.0 lack it: another length is begun anew there.
  auto asked = options;
  const Json now = described(asked).to_json();
  const bool is_same = config.value("epochs", Json()) == now.at("epochs") &&
                       config.value("max-steps", Json()) == now.at("max-steps");
  return {0, is_same ? 0 : 1};
}

// Does another length change the steps that were taken already?
bool has_schedule_of_length(const TrainOptions& options) {
  return options.schedule.kind == "cosine" ||
         (optim::is_sharpness_aware(options.optimizer.name) &&
          options.optimizer.sharpness.rho_schedule != "constant");
}

void check_not_shorter(const std::string& folder, int64_t before, int64_t now) {
  UNLAZY_CHECK_USAGE(now >= before, folder, ": was trained to step ", before,
                     " already, beyond step ", now,
                     " that --epochs and --max-steps ask for; ask for as much or more, or begin "
                     "anew with --overwrite or another --out");
}

// Splits of image folders are shuffled also where they are read as a whole. Version 0.1.0 took them class after
// class. Its runs lack this mark and go on in that order.
constexpr const char* kShuffled = "images-shuffled";
bool is_shuffled(const data::DataOptions& options) {
  return options.source == "image-folder" && !options.keeps_order &&
         (options.train_size == 0 || options.test_size == 0);
}
bool took_class_after_class(const TrainOptions& options, const std::string& folder) {
  return is_shuffled(options.data) &&
         !config_of(folder).value("about", Json::object()).contains(kShuffled);
}

// The run went on from RUN:STEP, whatever checkpoints RUN has now.
void keep_step(LineariseOptions& options, const Json& config) {
  const auto begun = config.value("linearise-at", std::string());
  if (!options.at.empty() && begun.starts_with(options.at + ":")) options.at = begun;
}

// What the program resolved goes into config.json in place of "auto" and 0: it decides the digits.
TrainOptions resolved(const Experiment& experiment) {
  auto options = experiment.options();
  options.compute.precision = precision_name(experiment.compute().dtype);
  options.compute.threads = at::get_num_threads();
  options.model.file_hash = models::file_hash(options.model);
  return options;
}

}  // namespace

Json config_of_run(const Experiment& experiment, const std::string& command) {
  auto options = resolved(experiment);
  Json about = {{"device", experiment.compute().device.str()},
                {"steps-per-epoch", experiment.steps_per_epoch()},
                {"steps", experiment.end()}};
  if (is_shuffled(options.data)) about[kShuffled] = true;
  return stamp(described(options, command), training_files(), about);
}

std::string description(Experiment& experiment) {
  const auto& o = experiment.options();
  const auto& splits = experiment.splits();
  return internal::concat(o.model.name, ", ", text_of(o.linearise), experiment.parameters().size(),
                          " parameters, on ", experiment.compute().device.str(), " in ",
                          precision_name(experiment.compute().dtype), " (", at::get_num_threads(),
                          at::get_num_threads() == 1 ? " thread); " : " threads); ", o.data.source,
                          ": ", splits.train.size(), " training and ", splits.test.size(),
                          " test images; ", experiment.end(), " steps");
}

namespace {

void say(const Hooks& hooks, const std::string& line) {
  if (hooks.on_line) hooks.on_line(line);
}

bool has_statistics(Experiment& experiment) {
  const auto buffers = experiment.model().module().named_buffers().keys();
  return std::any_of(buffers.begin(), buffers.end(),
                     [](const std::string& name) { return name.ends_with("running_mean"); });
}

// Says which parts of this run no GPU has run so far.
void note_untried_parts(Experiment& experiment, const Hooks& hooks) {
  if (!experiment.compute().device.is_cuda()) return;
  std::vector<cuda::Part> used = {cuda::kAugmentPart, cuda::kAccountPart, cuda::kCheckpointPart};
  if (experiment.options().run.cuda_graph) used.push_back(cuda::kStepGraphPart);
  const auto& optimizer = experiment.options().optimizer;
  const bool is_sharp = optim::is_sharpness_aware(optimizer.name);
  if (optimizer.name == "sam" || (is_sharp ? optimizer.sharpness.base : optimizer.name) == "sgd")
    used.push_back(cuda::kUpdatePart);
  if (has_statistics(experiment) && !experiment.options().linearise.is_on())
    used.push_back(cuda::kNormPart);
  const auto note = cuda::untried_note(used);
  if (!note.empty()) say(hooks, "note: " + note);
}

// Where a run that is there goes on: its newest checkpoint, or its start.
std::optional<int64_t> go_on(RunDir& run, Experiment& experiment, Recorder& recorder,
                             const Hooks& hooks) {
  const auto note = [&](const std::string& text) { say(hooks, "note: " + text); };
  const auto step = load_newest_checkpoint(run, experiment, recorder, note);
  if (!step) {
    recorder.restart();
    say(hooks, "no checkpoint was written yet: starting from the beginning");
    return {};
  }
  check_not_shorter(run.path(), *step, experiment.end());
  say(hooks, "continuing from step " + std::to_string(*step));
  return step;
}

}  // namespace

namespace {

// A linearised run keeps its own theta0: what it was made of may be gone.
std::string start_file_of(const TrainOptions& options, const std::string& folder) {
  const auto path = folder + "/" + kStartFile;
  return options.linearise.is_on() && std::filesystem::exists(path) ? path : "";
}

// Written once, before the first step.
void save_start(Experiment& experiment, const RunDir& run) {
  const auto& o = experiment.options();
  if (!o.linearise.is_on() || std::filesystem::exists(run.file(kStartFile))) return;
  save_tensors(run.file(kStartFile),
               {experiment.start_tensors(), {{"format", "pt"}, {"model", o.model.name}}});
}

// BatchNorm's statistics belong to what is linearised.
void note_statistics(Experiment& experiment, const Hooks& hooks) {
  const auto& o = experiment.options();
  if (!o.linearise.is_on() || !has_statistics(experiment)) return;
  const int64_t all = experiment.splits().train.size(), asked = o.linearise.statistics_samples;
  say(hooks,
      internal::concat("BatchNorm is linearised in evaluation mode, with the statistics of ",
                       asked > 0 ? std::min(asked, all) : all, " training images at theta0"));
}

}  // namespace

TrainOptions options_of(const std::string& folder) {
  UNLAZY_CHECK_USAGE(RunDir::holds_run(folder), folder,
                     ": holds no run (no config.json); name the folder that `unlazy train` wrote");
  TrainOptions options;
  described(options).read_file(folder + "/config.json");
  // Noise depends on an image's place. Without noise, today's order is the better one to measure.
  options.data.keeps_order =
      options.noise.kind != "none" && took_class_after_class(options, folder);
  options.run.out.clear();
  options.run.resume = options.run.overwrite = false;
  options.compute.threads = 0;  // those of this machine: only a run that goes on keeps its own
  options.linearise.start_file = start_file_of(options, folder);
  return options;
}

void check_same_start(const std::string& folder, const std::string& other) {
  const auto a = options_of(folder).linearise, b = options_of(other).linearise;
  const bool is_same =
      a.order == b.order && (!a.is_on() || a.start_file == b.start_file ||
                             (!a.start_file.empty() && !b.start_file.empty() &&
                              unlazy::read_file(a.start_file) == unlazy::read_file(b.start_file)));
  UNLAZY_CHECK_USAGE(is_same, folder, " and ", other,
                     ": are not runs of one function: one is linearised, or they are linearised at "
                     "different points (theta0.safetensors)");
}

namespace {

bool is_training(const std::string& folder) {
  return RunDir::holds_run(folder) && config_of(folder).value("command", kCommand) == kCommand;
}

std::vector<std::string> runs_below(const std::string& folder) {
  std::vector<std::string> runs, unfinished;
  std::error_code unreadable;
  for (const auto& entry : std::filesystem::directory_iterator(folder, unreadable)) {
    const auto path = entry.path().string();
    if (!is_training(path)) continue;
    runs.push_back(path);
    if (!RunDir::is_done(path)) unfinished.push_back(path);
  }
  UNLAZY_CHECK_USAGE(!runs.empty(), folder,
                     ": holds no run of unlazy train, nor do the folders in it; name folders that "
                     "`unlazy train` or `unlazy sweep train` wrote");
  UNLAZY_CHECK_USAGE(unfinished.empty(), folder, ": ", unfinished.size(), " of ", runs.size(),
                     " runs are not finished (", unfinished.front(),
                     "); finish them, or name those that you want");
  std::sort(runs.begin(), runs.end());
  return runs;
}

}  // namespace

std::vector<std::string> runs_in(const std::vector<std::string>& folders) {
  std::vector<std::string> runs;
  std::set<std::filesystem::path> seen;
  for (const auto& folder : folders) {
    for (auto& run : is_training(folder) ? std::vector<std::string>{folder} : runs_below(folder)) {
      if (seen.insert(std::filesystem::weakly_canonical(run)).second)
        runs.push_back(std::move(run));
    }
  }
  return runs;
}

TrainOptions options_of(const std::string& folder, const ComputeOptions& compute,
                        bool precision_is_given) {
  auto options = options_of(folder);
  const auto precision = options.compute.precision;
  options.compute = compute;
  if (!precision_is_given) options.compute.precision = precision;
  return options;
}

int64_t chosen_checkpoint(const std::string& folder, int64_t step) {
  const auto steps = RunDir::checkpoint_steps(folder);
  UNLAZY_CHECK_USAGE(!steps.empty(), folder,
                     ": holds no checkpoint; name the folder of a run of unlazy train");
  if (step < 0) return steps.back();
  std::vector<std::string> known;
  for (const int64_t s : steps) known.push_back(std::to_string(s));
  UNLAZY_CHECK_USAGE(std::find(steps.begin(), steps.end(), step) != steps.end(), folder,
                     ": has no checkpoint of step ", step, "; there are: ", join(known));
  return step;
}

std::string weights_of(const std::string& folder, int64_t step) {
  return RunDir::checkpoint(folder, step) + "/model.safetensors";
}

std::string newest_weights(const std::string& folder) {
  const auto steps = RunDir::checkpoint_steps(folder);
  UNLAZY_CHECK(!steps.empty(), folder, ": has no checkpoint to prune; train it first");
  return weights_of(folder, steps.back());
}

void check_same_run(const Options& options, const std::string& folder, Sameness sameness) {
  const Json before = config_of(folder);
  UNLAZY_CHECK_USAGE(before.value("command", options.command()) == options.command(), folder,
                     ": holds a run of unlazy ", before.value("command", ""), ", not of unlazy ",
                     options.command(), "; choose another --out");
  const bool has_curves = sameness == Sameness::kSeries || sameness == Sameness::kExact;
  const bool has_length = sameness == Sameness::kResult || sameness == Sameness::kExact;
  const Json now = options.to_json();
  for (const auto& table : options.tables()) {
    for (const auto& row : table.rows()) {
      const bool must_agree = row.role == Role::kSetting || row.role == Role::kSource ||
                              (row.role == Role::kCurve && has_curves) ||
                              (row.role == Role::kLength && has_length);
      const Json& value = now.at(row.name);
      if (!must_agree || value == kAuto || !before.contains(row.name)) continue;
      UNLAZY_CHECK_USAGE(before.at(row.name) == value, folder, ": was run with ", row.name, " ",
                         before.at(row.name).dump(), ", but --resume was given ", value.dump(),
                         "; leave the flag out, or start a new run with another --out");
    }
  }
}

Json stamp(const Options& options, const std::vector<std::string>& files, const Json& about) {
  Json json = options.to_json();
  for (const auto& table : options.tables()) {
    for (const auto& row : table.rows()) {
      if (row.role == Role::kRequest) json.erase(row.name);
    }
  }
  Json& all = json["about"];
  all["unlazy"] = version();
  all["libtorch"] = libtorch_version();
  all["compiler"] = compiler();
  all["build"] = build_type();
  all["cpu"] = cpu_name();
  all.update(about);
  all["files"] = files;
  return json;
}

void check_length(const TrainOptions& options) {
  const auto folder = folder_of(options);
  if (!RunDir::is_done(folder)) return;
  const auto [before, now] = lengths_of(options, folder);
  check_not_shorter(folder, before, now);
}

namespace {

// Is the run in `folder`, which is the one asked for, DONE and as long as asked for?
bool is_complete(const TrainOptions& options, const std::string& folder) {
  if (!RunDir::is_done(folder)) return false;
  check_length(options);
  const auto [before, now] = lengths_of(options, folder);
  return before == now;
}

}  // namespace

bool is_finished(const TrainOptions& options, const std::string& command) {
  const auto folder = folder_of(options);
  if (!options.run.resume || !RunDir::is_done(folder)) return false;
  auto now = options;
  keep_step(now.linearise, config_of(folder));
  check_same_run(described(now, command), folder, Sameness::kSeries);
  return is_complete(options, folder);
}

Outcome run_training(const TrainOptions& asked, const Hooks& hooks, Sameness sameness) {
  auto options = asked;
  auto& o = options.run;
  UNLAZY_CHECK_USAGE(!o.resume || !o.overwrite,
                     "train: --resume and --overwrite exclude each other");
  o.out = folder_of(options);
  if (!o.resume && !o.overwrite) RunDir::refuse_run(o.out);  // before anything is read
  const bool is_there = o.resume && RunDir::holds_run(o.out);
  if (is_there) {
    const Json config = config_of(o.out);  // what decides the digits stays as it is
    keep_step(options.linearise, config);
    check_same_run(described(options), o.out, sameness);
    auto& compute = options.compute;
    if (compute.precision == kAuto) compute.precision = config.value("precision", kAuto);
    if (options.model.file_hash == kAuto)
      options.model.file_hash = config.value("model-hash", kAuto);
    if (compute.threads == 0) compute.threads = config.value("threads", int64_t{0});
    if (asked.compute.threads == 0 && compute.threads > most_threads()) {
      say(hooks, "note: the run had " + std::to_string(compute.threads) +
                     " threads, too many for this machine; with fewer, last digits may differ");
      compute.threads = 0;
    }
    const auto [before, now] = lengths_of(options, o.out);
    UNLAZY_CHECK_USAGE(before == now || !has_schedule_of_length(options), o.out,
                       ": its learning "
                       "rate or rho follows a schedule to the end of training, step ",
                       before, "; with an end at step ", now,
                       " it is another run: begin anew with --overwrite or another --out");
    if (is_complete(options, o.out)) {
      say(hooks, o.out + " is finished already");
      return Outcome::kDone;
    }
    options.data.keeps_order = options.data.keeps_order || took_class_after_class(options, o.out);
    options.linearise.start_file = start_file_of(options, o.out);
    UNLAZY_CHECK(!RunDir::is_done(o.out) || !RunDir::checkpoint_steps(o.out).empty(), o.out,
                 ": is finished, and has no checkpoint to go on from; start again with "
                 "--overwrite");
  }
  check_writable(o.out);
  Experiment experiment(options);
  RunDir run(o.out, o.resume      ? RunDir::Mode::kResume
                    : o.overwrite ? RunDir::Mode::kOverwrite
                                  : RunDir::Mode::kNew);
  UNLAZY_CHECK(is_there == (o.resume && RunDir::holds_run(o.out)) || o.overwrite, o.out,
               ": was begun by another process meanwhile; repeat the command");
  if (o.resume && !is_there) say(hooks, "note: " + o.out + " holds no run yet: starting one");
  say(hooks, description(experiment));
  note_untried_parts(experiment, hooks);
  note_statistics(experiment, hooks);
  if (!is_there) run.begin(config_of_run(experiment, kCommand));
  if (is_there) run.go_on();
  save_start(experiment, run);
  Recorder recorder(run, experiment.steps_per_epoch(), o.curve_ema);
  std::optional<int64_t> start;
  if (is_there) {
    start = go_on(run, experiment, recorder, hooks);
    run.begin(config_of_run(experiment, kCommand));
  }
  return Loop(experiment, run, recorder, hooks).run(start);
}

}  // namespace unlazy::train
