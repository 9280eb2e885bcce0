#include "experiments/comparison_trial.h"

#include <ATen/core/Tensor.h>

#include <algorithm>

#include "core/error.h"
#include "core/format.h"
#include "core/stopwatch.h"
#include "experiments/comparison_kernel.h"
#include "experiments/output_record.h"

namespace unlazy::experiments {

namespace {

// The outputs of the four runs of a seed, at each row.
int64_t bytes_of_records(const train::TrainOptions& options, const DataSize& size) {
  const int64_t every =
      std::max<int64_t>(1, options.measure.every.in_iterations(size.steps_per_epoch));
  const int64_t rows = train::last_step(options.run, size.steps_per_epoch) / every + 1;
  const int64_t images =
      std::min(size.num_train, kMostRecorded) + std::min(size.num_test, kMostRecorded);
  constexpr int64_t kRuns = 4, kFloat = 4;
  return kRuns * rows * images * size.num_outputs * kFloat;
}

}  // namespace

double ComparisonTrial::seconds() const {
  return static_cast<double>(seeds) * (kernel_seconds + clean.seconds() + perturbed.seconds() +
                                       linear.seconds() + linear_perturbed.seconds());
}

int64_t ComparisonTrial::disk_bytes() const {
  return seeds * (kernel_bytes + clean.disk_bytes() + perturbed.disk_bytes() + linear.disk_bytes() +
                  linear_perturbed.disk_bytes() + record_bytes);
}

ComparisonTrial try_comparison(const CompareOptions& options, const train::TrainOptions& train) {
  check_comparison(options, train);
  constexpr int64_t kMebi = 1 << 20;
  auto perturbed = train;
  perturbed.run.seed = options.seeds.front();
  perturbed.measure.probe.ntk_memory = options.ntk_memory;
  ComparisonTrial trial;
  trial.seeds = static_cast<int64_t>(options.seeds.size());
  const int64_t memory = options.ntk_memory * kMebi;
  const auto size = size_of(perturbed);
  const auto choice = choose_space(options.linear_space, perturbed, size, memory);
  const auto space = choice.space;
  trial.space = text_of(choice);
  const Stopwatch watch;
  perturbed.run.resume = false;  // a kernel that is there costs nothing
  const auto kernel = kernel_at_start(space, perturbed, options.lr_fraction > 0, memory, "", {});
  trial.kernel_seconds = watch.seconds();
  for (const auto& tensor : {kernel.train, kernel.test, kernel.train_outputs, kernel.test_outputs})
    trial.kernel_bytes += tensor.defined() ? static_cast<int64_t>(tensor.nbytes()) : 0;
  trial.record_bytes = bytes_of_records(perturbed, size);
  trial.perturbed = train::try_run(perturbed);
  trial.clean = train::try_run(without_perturbation(perturbed));
  if (space == Space::kWeight) {
    trial.linear_perturbed = train::try_run(in_weight_space(perturbed));
    trial.linear = train::try_run(in_weight_space(without_perturbation(perturbed)));
  }
  return trial;
}

std::string text_of(const ComparisonTrial& t) {
  const auto count = [](int64_t n, const char* what) {
    return internal::concat(n, " ", what, n == 1 ? "" : "s");
  };
  return internal::concat(
      text_of(t.perturbed), "\na seed: kernel ", duration_text(t.kernel_seconds),
      "; clean network ", duration_text(t.clean.seconds()), "; perturbed network ",
      duration_text(t.perturbed.seconds()),
      t.linear.steps > 0 ? "; linearised networks " + duration_text(t.linear.seconds()) + " and " +
                               duration_text(t.linear_perturbed.seconds())
                         : "; two linearised runs of seconds, not tried",
      "\nlinearised networks in ", t.space, "\n", count(t.seeds, "seed"), ": ",
      duration_text(t.seconds()), ", ", bytes_text(static_cast<double>(t.disk_bytes())),
      " of disk\n");
}

}  // namespace unlazy::experiments
