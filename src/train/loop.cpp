#include "train/loop.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.h"
#include "core/format.h"
#include "core/version.h"
#include "train/checkpoint.h"

namespace unlazy::train {
namespace {

using Json = nlohmann::ordered_json;

// Seconds spent in training steps, without what happens between them.
class Stopwatch {
 public:
  void start() { begin_ = Clock::now(); }
  void stop() { total_ += std::chrono::duration<double>(Clock::now() - begin_).count(); }
  double seconds() const { return total_; }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point begin_;
  double total_ = 0;
};

class Loop {
 public:
  Loop(Experiment& experiment, RunDir& run, Recorder& recorder, const Hooks& hooks)
      : experiment_(experiment),
        run_(run),
        recorder_(recorder),
        hooks_(hooks),
        log_(run.file("log.txt"), std::ios::app) {
    const auto& o = experiment.options();
    const int64_t per_epoch = experiment.steps_per_epoch();
    measure_every_ = std::max<int64_t>(1, o.measure.every.in_iterations(per_epoch));
    for (const auto& [name, every] : measure::requests(o.measure)) {
      measurements_.push_back({measure::registry().find(name).make,
                               std::max<int64_t>(1, every.in_iterations(per_epoch))});
    }
    checkpoint_every_ = std::max<int64_t>(1, o.run.checkpoint_every.in_iterations(per_epoch));
    for (const auto& at : o.run.checkpoint_at)
      checkpoint_at_.push_back(at.in_iterations(per_epoch));
  }

  Outcome train(int64_t start) {
    start_ = start;
    if (start == experiment_.begin()) {
      measure(start);
      if (is_checkpoint_wanted(start)) checkpoint(start);
    }
    for (int64_t step = start; step < experiment_.end(); ++step) {
      watch_.start();
      experiment_.run_step(step);
      watch_.stop();
      images_ += experiment_.batch_size(step);
      const int64_t next = step + 1;
      report_progress(next);
      measure(next);
      const bool is_stopping = hooks_.should_stop && hooks_.should_stop();
      if (next % checkpoint_every_ == 0 || next == experiment_.end() || is_stopping ||
          is_checkpoint_wanted(next)) {
        checkpoint(next);
      }
      if (is_stopping && next < experiment_.end()) return Outcome::kInterrupted;
    }
    run_.mark_done();
    return Outcome::kDone;
  }

 private:
  bool is_checkpoint_wanted(int64_t step) const {
    return std::find(checkpoint_at_.begin(), checkpoint_at_.end(), step) != checkpoint_at_.end();
  }

  void check_finite(const TrainTotals& totals) const {
    if (totals.first_bad_step < 0) return;
    const auto steps = run_.checkpoint_steps();
    throw Error(internal::concat(
        "train: the loss is not finite at step ", totals.first_bad_step, " (learning rate ",
        number_text(experiment_.schedule().lr(totals.first_bad_step)), "); ",
        steps.empty() ? "no checkpoint was written yet"
                      : "the last good checkpoint is " + run_.checkpoint(steps.back()),
        "; try a smaller --lr or --clip-norm"));
  }

  void report_progress(int64_t step) {
    const auto now = std::chrono::steady_clock::now();
    if (!hooks_.on_progress || now - last_progress_ < std::chrono::seconds(1)) return;
    last_progress_ = now;
    Progress progress;
    progress.step = step;
    progress.end = experiment_.end();
    progress.epoch = static_cast<double>(step) / static_cast<double>(experiment_.steps_per_epoch());
    progress.totals = experiment_.step().totals();
    check_finite(progress.totals);
    progress.images_per_second = static_cast<double>(images_) / watch_.seconds();
    progress.seconds_left = watch_.seconds() / static_cast<double>(step - start_) *
                            static_cast<double>(progress.end - step);
    hooks_.on_progress(progress);
  }

  // Before the first step and at the end everything is due.
  bool is_due(int64_t step, int64_t every) const {
    return step % every == 0 || step == start_ || step == experiment_.end();
  }

  // Measures what is due at `step`; training totals, the line and the flush keep to
  // --measure-every.
  void measure(int64_t step) {
    const bool is_row = is_due(step, measure_every_);
    if (is_row) {
      const auto totals = experiment_.step().totals();
      check_finite(totals);
      if (totals.samples > 0) record_totals(step, totals);
    }
    record_measurements(step);
    if (!is_row) return;
    recorder_.flush();
    experiment_.step().reset_totals();
    write_line(step);
  }

  void record_measurements(int64_t step) {
    const auto subject = experiment_.subject();
    std::vector<measure::Value> values;
    for (const auto& [make, every] : measurements_) {
      if (!is_due(step, every)) continue;
      for (auto& value : make(subject)) {
        if (value.value.dim() == 0) values.push_back(std::move(value));
      }
    }
    for (const auto& [name, numbers] : measure::to_host(values))
      recorder_.add(step, name, numbers[0]);
  }

  void record_totals(int64_t step, const TrainTotals& totals) {
    recorder_.add(step, "train_loss", totals.loss);
    recorder_.add(step, "train_accuracy", totals.accuracy);
    if (totals.flipped_fraction > 0) {
      recorder_.add(step, "train_accuracy_flipped", totals.accuracy_flipped);
      recorder_.add(step, "train_memorized_flipped", totals.memorized_flipped);
      recorder_.add(step, "flipped_fraction", totals.flipped_fraction);
    }
    if (totals.flipped_fraction < 1)
      recorder_.add(step, "train_accuracy_clean", totals.accuracy_clean);
    recorder_.add(step, "lr", experiment_.schedule().lr(step - 1));
    if (optim::is_sharpness_aware(experiment_.options().optimizer.name)) {
      const auto& rho = experiment_.rho_schedule();
      recorder_.add(step, "rho", rho.is_perturbed(step - 1) ? rho.rho(step - 1) : 0);
    }
    recorder_.add(step, "noise_factor", experiment_.noise_schedule().factor(step - 1));
  }

  void write_line(int64_t step) {
    std::ostringstream line;
    line << "epoch "
         << rounded_text(static_cast<double>(step) /
                         static_cast<double>(experiment_.steps_per_epoch()))
         << " of "
         << rounded_text(static_cast<double>(experiment_.end()) /
                         static_cast<double>(experiment_.steps_per_epoch()))
         << "  step " << step;
    for (const char* name : {"train_loss", "train_accuracy", "test_loss", "test_accuracy"}) {
      const auto found = recorder_.latest().find(name);
      if (found != recorder_.latest().end())
        line << "  " << name << " " << rounded_text(found->second);
    }
    if (watch_.seconds() > 0) {
      line << "  " << rounded_text(static_cast<double>(images_) / watch_.seconds(), 3)
           << " images/s  " << duration_text(watch_.seconds());
    }
    log_ << line.str() << std::endl;
    if (hooks_.on_line) hooks_.on_line(line.str());
  }

  void checkpoint(int64_t step) {
    check_finite(experiment_.step().totals());
    save_checkpoint(run_, experiment_, recorder_, step);
    prune_checkpoints(run_, experiment_.options().run.keep_checkpoints, checkpoint_at_);
  }

  Experiment& experiment_;
  RunDir& run_;
  Recorder& recorder_;
  const Hooks& hooks_;
  std::ofstream log_;
  int64_t measure_every_, checkpoint_every_;
  struct Measurement {
    measure::Measure* make;
    int64_t every;
  };
  std::vector<Measurement> measurements_;
  std::vector<int64_t> checkpoint_at_;
  Stopwatch watch_;
  int64_t start_ = 0, images_ = 0;
  std::chrono::steady_clock::time_point last_progress_ = std::chrono::steady_clock::now();
};

// Options that a resumed run may change without becoming another run.
constexpr std::array kFreeOptions = {
    "epochs",     "max-steps",  "resume",           "overwrite",        "out",
    "threads",    "device",     "checkpoint-every", "keep-checkpoints", "checkpoint-at",
    "cuda-graph", "eval-batch", "data-dir"};

void check_same_run(const Json& now, const Json& before, const std::string& path) {
  for (const auto& [key, value] : now.items()) {
    if (key == "about" || key == "command" || may_change_at_resume(key)) continue;
    UNLAZY_CHECK_USAGE(!before.contains(key) || before.at(key) == value, path, ": was run with ",
                       key, " ", before.at(key).dump(), ", but --resume was given ", value.dump(),
                       "; leave the flag out, or start a new run with another --out");
  }
}

Json about(const Experiment& experiment) {
  Json json;
  json["unlazy"] = version();
  json["libtorch"] = libtorch_version();
  json["compiler"] = compiler();
  json["build"] = build_type();
  json["device"] = experiment.compute().device.str();
  json["cpu"] = cpu_name();
  json["steps-per-epoch"] = experiment.steps_per_epoch();
  json["steps"] = experiment.end();
  return json;
}

const char* precision_name(c10::ScalarType dtype) {
  return dtype == c10::kBFloat16 ? "bf16" : dtype == c10::kDouble ? "fp64" : "fp32";
}

}  // namespace

bool may_change_at_resume(const std::string& option) {
  return option.starts_with("measure") ||
         std::find(kFreeOptions.begin(), kFreeOptions.end(), option) != kFreeOptions.end();
}

Outcome train(Experiment& experiment, RunDir& run, Recorder& recorder, int64_t start,
              const Hooks& hooks) {
  return Loop(experiment, run, recorder, hooks).train(start);
}

Outcome run_training(const TrainOptions& options, const Json& config, const Hooks& hooks) {
  const auto& o = options.run;
  UNLAZY_CHECK_USAGE(!o.resume || !o.overwrite,
                     "train: --resume and --overwrite exclude each other");
  Experiment experiment(options);
  RunDir run(o.out.empty() ? default_out(options) : o.out, o.resume      ? RunDir::Mode::kResume
                                                           : o.overwrite ? RunDir::Mode::kOverwrite
                                                                         : RunDir::Mode::kNew);
  Json resolved = config;
  resolved["out"] = run.path();
  resolved["resume"] = false;
  resolved["overwrite"] = false;
  resolved["precision"] = precision_name(experiment.compute().dtype);
  if (o.resume) check_same_run(resolved, read_json_file(run.file("config.json")), run.path());
  Recorder recorder(run, experiment.steps_per_epoch(), o.curve_ema);
  const int64_t start =
      o.resume ? load_newest_checkpoint(run, experiment, recorder) : experiment.begin();
  resolved["about"] = about(experiment);
  run.write_config(resolved);
  return train(experiment, run, recorder, start, hooks);
}

bool is_finished(const TrainOptions& options) {
  const auto& folder = options.run.out;
  if (!options.run.resume || !std::filesystem::exists(folder + "/DONE")) return false;
  auto written = options;
  auto now = Options("train", describe(written)).to_json();
  now.erase("command");  // A run's config.json has what "auto" became.
  if (options.compute.precision == "auto") now.erase("precision");
  check_same_run(now, read_json_file(folder + "/config.json"), folder);
  return true;
}

Outcome run_unfinished(TrainOptions options, const Hooks& hooks) {
  if (is_finished(options)) return Outcome::kDone;
  if (options.run.resume) {
    options.run.resume = std::filesystem::exists(options.run.out + "/checkpoints");
    options.run.overwrite = !options.run.resume;  // it was stopped before its first checkpoint
  }
  return run_training(options, Options("train", describe(options)).to_json(), hooks);
}

}  // namespace unlazy::train
