#include "train/trial.h"

#include <algorithm>
#include <sstream>

#include "core/cpu_memory.h"
#include "core/device.h"
#include "core/format.h"
#include "core/stopwatch.h"
#include "train/saved_run.h"

namespace unlazy::train {
namespace {

constexpr int64_t kFirstSteps = 6;          // allocate memory, choose algorithms, capture the graph
constexpr int64_t kMostSteps = 50;          // after these
constexpr int64_t kStepsBetweenWaits = 10;  // so that a GPU is not kept waiting for the host
constexpr double kStepSeconds = 3;          // at most, but for the last steps
constexpr double kMeasurementSeconds = 60;  // the same for all measurements together
constexpr int64_t kMostCounted = 1'000'000;  // steps whose kind is looked at

// Every `every` steps, and before the first and after the last, as the loop has it.
int64_t times_due(const Experiment& experiment, int64_t every) {
  const int64_t begin = experiment.begin(), end = experiment.end();
  const int64_t multiples = end / every - begin / every;  // in (begin, end]
  return multiples + 1 + (end > begin && end % every != 0 ? 1 : 0);
}

// Mean seconds of these steps, without the first of them.
double mean_seconds(Experiment& experiment, const std::vector<int64_t>& steps) {
  const auto& device = experiment.compute().device;
  const auto count = steps.size();
  // A run of a few steps has nothing but first ones.
  const size_t first = std::min<size_t>(kFirstSteps, count / 2);
  size_t i = 0;
  for (; i < first; ++i) experiment.run_step(steps[i]);
  wait_for(device);
  const Stopwatch watch;
  while (i < count && watch.seconds() < kStepSeconds) {
    for (const size_t last = std::min<size_t>(i + kStepsBetweenWaits, count);
         i < last && (device.is_cuda() || watch.seconds() < kStepSeconds); ++i)
      experiment.run_step(steps[i]);
    wait_for(device);
  }
  return watch.seconds() / static_cast<double>(i - first);
}

// SAM's steps and those of its base optimizer differ by a factor of two: both are timed, and
// weighted by how many there are.
double seconds_of_a_step(Experiment& experiment) {
  const bool is_sharp = optim::is_sharpness_aware(experiment.options().optimizer.name);
  std::vector<int64_t> tried[2];
  int64_t counts[2] = {0, 0};
  const int64_t end = std::min(experiment.end(), experiment.begin() + kMostCounted);
  for (int64_t step = experiment.begin(); step < end; ++step) {
    const int kind = is_sharp && experiment.rho_schedule().is_perturbed(step) ? 1 : 0;
    ++counts[kind];
    if (tried[kind].size() < kFirstSteps + kMostSteps) tried[kind].push_back(step);
  }
  double sum = 0;
  for (const int kind : {0, 1}) {
    if (counts[kind] > 0)
      sum += static_cast<double>(counts[kind]) * mean_seconds(experiment, tried[kind]);
  }
  return counts[0] + counts[1] > 0 ? sum / static_cast<double>(counts[0] + counts[1]) : 0;
}

int64_t bytes_of(const std::vector<std::pair<std::string, at::Tensor>>& tensors) {
  int64_t bytes = 0;
  for (const auto& item : tensors) bytes += static_cast<int64_t>(item.second.nbytes());
  return bytes;
}

// A row of metrics.csv is "1234,12.34,NAME,0.123456789", its event about as long again.
int64_t row_bytes(const std::string& name) {
  constexpr int64_t kNumbers = 30, kEvent = 50;
  return kNumbers + kEvent + 2 * static_cast<int64_t>(name.size());
}

// The curves of training itself: losses and accuracies, rate and noise, on every row.
constexpr int64_t kTrainingCurves = 8;

int64_t kept_checkpoints(const Experiment& experiment) {
  const auto& run = experiment.options().run;
  const int64_t per_epoch = experiment.steps_per_epoch();
  const int64_t every = std::max<int64_t>(1, run.checkpoint_every.in_iterations(per_epoch));
  int64_t count = times_due(experiment, every) - 1;  // none before the first step
  if (run.keep_checkpoints > 0) count = std::min(count, run.keep_checkpoints);
  return std::max<int64_t>(count, 1) + static_cast<int64_t>(run.checkpoint_at.size());
}

}  // namespace

double Trial::measuring_seconds() const {
  double sum = 0;
  for (const auto& m : measurements) {
    if (m.seconds > 0) sum += m.seconds * static_cast<double>(m.times);
  }
  return sum;
}

Trial try_run(const TrainOptions& options) {
  Experiment experiment(options);
  Trial trial;
  trial.description = description(experiment);
  trial.parameters = experiment.parameters().size();
  trial.steps = experiment.end() - experiment.begin();
  trial.step_seconds = seconds_of_a_step(experiment);
  if (options.linearise.is_on()) trial.start_bytes = bytes_of(experiment.start_tensors());
  trial.checkpoint_bytes =
      bytes_of(experiment.named_tensors()) + bytes_of(experiment.optimizer().state());
  trial.checkpoints = kept_checkpoints(experiment);

  const auto every = [&](const Step& step) {
    return std::max<int64_t>(1, step.in_iterations(experiment.steps_per_epoch()));
  };
  const auto& o = experiment.options();
  const int64_t smoothed = o.run.curve_ema > 0 ? 2 : 1;
  trial.curve_bytes = times_due(experiment, every(o.measure.every)) * kTrainingCurves * smoothed *
                      row_bytes("train_accuracy");
  const Stopwatch all;
  for (const auto& request : measure::requests(o.measure)) {
    Trial::Measurement made{request.name, times_due(experiment, every(request.every)), -1};
    if (all.seconds() < kMeasurementSeconds) {
      const Stopwatch watch;
      for (const auto& [name, numbers] :
           measure::to_host(measure::registry().find(request.name).make(experiment.subject()))) {
        if (numbers.size() == 1)
          trial.curve_bytes +=
              made.times * row_bytes(name) * (name.starts_with("test_") ? smoothed : 1);
      }
      made.seconds = watch.seconds();
    }
    trial.measurements.push_back(std::move(made));
  }
  const auto& device = experiment.compute().device;
  trial.is_on_gpu = device.is_cuda();
  trial.memory_bytes =
      trial.is_on_gpu ? peak_device_bytes(device) : static_cast<int64_t>(peak_resident_bytes());
  return trial;
}

std::string memory_text(const Trial& t) {
  if (t.memory_bytes == 0) return "";
  return "memory   " + bytes_text(static_cast<double>(t.memory_bytes)) +
         (t.is_on_gpu ? " of the GPU by tensors\n" : " by the process, data set included\n");
}

std::string text_of(const Trial& t) {
  std::ostringstream text;
  text << t.description << "\n"
       << "time     " << duration_text(t.seconds()) << ": " << t.steps << " steps of "
       << rounded_text(t.step_seconds * 1e3, 3) << " ms, " << duration_text(t.training_seconds())
       << "; measurements, " << duration_text(t.measuring_seconds()) << "\n";
  for (const auto& m : t.measurements) {
    text << "           " << m.name << ": " << m.times << " x "
         << (m.seconds < 0 ? "?  (not tried: those before took too long; not in the time above)"
                           : duration_text(m.seconds))
         << "\n";
  }
  text << memory_text(t) << "disk     " << bytes_text(static_cast<double>(t.disk_bytes())) << ": "
       << t.checkpoints << (t.checkpoints == 1 ? " checkpoint of " : " checkpoints of ")
       << bytes_text(static_cast<double>(t.checkpoint_bytes)) << " and the curves\n";
  return text.str();
}

}  // namespace unlazy::train
