#include "train/loop.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <sstream>

#include "core/device.h"
#include "core/error.h"
#include "core/format.h"
#include "core/stopwatch.h"
#include "train/checkpoint.h"

namespace unlazy::train {

namespace {

std::vector<int64_t> in_iterations(const std::vector<Step>& steps, int64_t per_epoch) {
  std::vector<int64_t> list;
  for (const auto& step : steps) list.push_back(step.in_iterations(per_epoch));
  return list;
}

}  // namespace

Loop::Loop(Experiment& experiment, RunDir& run, Recorder& recorder, const Hooks& hooks)
    : experiment_(experiment),
      run_(run),
      recorder_(recorder),
      hooks_(hooks),
      log_(run.file("log.txt"), std::ios::app),
      checkpoint_at_(
          in_iterations(experiment.options().run.checkpoint_at, experiment.steps_per_epoch())),
      writer_(run, experiment, recorder, checkpoint_at_, [&hooks](const std::string& problem) {
        if (hooks.on_line) hooks.on_line("note: " + problem);
      }) {
  UNLAZY_CHECK(log_.good(), run.file("log.txt"),
               ": cannot be opened for writing; is it a folder, or may it not be written to?");
  const auto& o = experiment.options();
  const int64_t per_epoch = experiment.steps_per_epoch();
  measure_every_ = std::max<int64_t>(1, o.measure.every.in_iterations(per_epoch));
  for (const auto& [name, every, is_log] : measure::requests(o.measure)) {
    measurements_.push_back({measure::registry().find(name).make,
                             std::max<int64_t>(1, every.in_iterations(per_epoch)), is_log});
  }
  checkpoint_every_ = std::max<int64_t>(1, o.run.checkpoint_every.in_iterations(per_epoch));
}

Outcome Loop::run(std::optional<int64_t> start) {
  start_ = start.value_or(experiment_.begin());
  const int64_t end = experiment_.end();
  if (!start) {  // what a checkpoint holds was measured before it was written
    measure(start_);
    if (is_checkpoint_wanted(start_) || start_ == end) checkpoint(start_);
  }
  for (int64_t step = start_; step < end; ++step) {
    const Stopwatch watch;
    experiment_.run_step(step);
    step_seconds_ += watch.seconds();
    writer_.poll();
    note_graph_problem();
    images_ += experiment_.batch_size(step);
    const int64_t next = step + 1;
    report_progress(next);
    measure(next);
    const bool is_stopping = hooks_.should_stop && hooks_.should_stop();
    if (next % checkpoint_every_ == 0 || next == end || is_stopping || is_checkpoint_wanted(next)) {
      checkpoint(next);
    }
    if (is_stopping && next < end) {
      writer_.finish();
      return Outcome::kInterrupted;
    }
  }
  writer_.finish();  // what is done has its last checkpoint
  run_.mark_done();
  return Outcome::kDone;
}

bool Loop::is_checkpoint_wanted(int64_t step) const {
  return std::find(checkpoint_at_.begin(), checkpoint_at_.end(), step) != checkpoint_at_.end();
}

void Loop::check_finite(const TrainTotals& totals) {
  if (totals.first_bad_step >= 0) fail_not_finite("the loss is", totals.first_bad_step);
}

void Loop::fail_not_finite(const char* what, int64_t step) {
  try {
    writer_.finish();  // it may be the last good one
  } catch (const std::exception&) {
    // What ends the run is told instead.
  }
  const auto steps = run_.checkpoint_steps();
  throw Error(internal::concat("train: ", what, " not finite at step ", step, " (learning rate ",
                               number_text(experiment_.schedule().lr(step)), "); ",
                               steps.empty()
                                   ? "no checkpoint was written yet"
                                   : "the last good checkpoint is " + run_.checkpoint(steps.back()),
                               "; try a smaller --lr or --clip-norm"),
              Error::Kind::kDiverged);
}

void Loop::note_graph_problem() {
  if (has_noted_graph_ || experiment_.step().graph_problem().empty()) return;
  has_noted_graph_ = true;
  if (hooks_.on_line) {
    hooks_.on_line("note: steps are run without a CUDA graph, since it could not be captured: " +
                   experiment_.step().graph_problem());
  }
}

// Seconds spent in steps. Waits for the device, so that they are those of the work and not of its
// launches.
double Loop::waited_seconds() {
  const Stopwatch watch;
  wait_for(experiment_.compute().device);
  return step_seconds_ += watch.seconds();
}

void Loop::report_progress(int64_t step) {
  const auto now = std::chrono::steady_clock::now();
  if (!hooks_.on_progress || now - last_progress_ < std::chrono::seconds(1)) return;
  last_progress_ = now;
  const double seconds = waited_seconds();
  Progress progress;
  progress.step = step;
  progress.end = experiment_.end();
  progress.epoch = static_cast<double>(step) / static_cast<double>(experiment_.steps_per_epoch());
  progress.totals = experiment_.step().totals();
  check_finite(progress.totals);
  progress.images_per_second = static_cast<double>(images_) / seconds;
  progress.seconds_left =
      seconds / static_cast<double>(step - start_) * static_cast<double>(progress.end - step);
  hooks_.on_progress(progress);
}

// Before the first step and at the end everything is due.
bool Loop::is_due(int64_t step, int64_t every) const {
  return step % every == 0 || step == start_ || step == experiment_.end();
}

bool Loop::is_due(int64_t step, const Measurement& measurement) const {
  if (!measurement.is_log) return is_due(step, measurement.every);
  return measure::is_log_step(step) || step == start_ || step == experiment_.end();
}

// Measures what is due at `step`; training totals, the line and the flush keep to
// --measure-every.
void Loop::measure(int64_t step) {
  const bool is_row = is_due(step, measure_every_);
  if (is_row || std::any_of(measurements_.begin(), measurements_.end(),
                            [&](const auto& m) { return is_due(step, m); })) {
    waited_seconds();
    // Measurements of broken weights end in errors that do not say so.
    if (step > start_ && !is_finite(experiment_)) {
      check_finite(experiment_.step().totals());
      fail_not_finite("an update left weights that are", step - 1);
    }
  }
  if (is_row) {
    const auto totals = experiment_.step().totals();
    check_finite(totals);
    if (totals.samples > 0) record_totals(step, totals);
  }
  record_measurements(step);
  if (!is_row) return;
  if (hooks_.on_measured) hooks_.on_measured(step, experiment_.subject());
  recorder_.flush();
  experiment_.step().reset_totals();
  write_line(step);
}

void Loop::record_measurements(int64_t step) {
  const auto subject = experiment_.subject();
  std::vector<measure::Value> values;
  for (const auto& measurement : measurements_) {
    if (!is_due(step, measurement)) continue;
    for (auto& value : measurement.make(subject)) {
      if (value.value.dim() == 0) values.push_back(std::move(value));
    }
  }
  for (const auto& [name, numbers] : measure::to_host(values))
    recorder_.add(step, name, numbers[0]);
}

void Loop::record_totals(int64_t step, const TrainTotals& totals) {
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

void Loop::write_line(int64_t step) {
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
  if (step_seconds_ > 0) {
    line << "  " << rounded_text(static_cast<double>(images_) / step_seconds_, 3) << " images/s  "
         << duration_text(step_seconds_);
  }
  log_ << line.str() << std::endl;
  UNLAZY_CHECK(log_.good(), run_.file("log.txt"),
               ": cannot be written; is the disk full? Free some space and use --resume");
  if (hooks_.on_line) hooks_.on_line(line.str());
}

void Loop::checkpoint(int64_t step) {
  waited_seconds();
  check_finite(experiment_.step().totals());
  // The loss of a step is that before its update.
  if (!is_finite(experiment_)) fail_not_finite("an update left weights that are", step - 1);
  writer_.start(step);
}

}  // namespace unlazy::train
