#include "experiments/comparison_trial.h"

#include <ATen/core/Tensor.h>

#include <optional>

#include "core/error.h"
#include "core/format.h"
#include "core/stopwatch.h"
#include "experiments/linearised_run.h"

namespace unlazy::experiments {

double ComparisonTrial::seconds() const {
  return static_cast<double>(seeds) * (kernel_seconds + clean.seconds() + perturbed.seconds());
}

int64_t ComparisonTrial::disk_bytes() const {
  return seeds * (kernel_bytes + clean.disk_bytes() + perturbed.disk_bytes());
}

ComparisonTrial try_comparison(const CompareOptions& options, const train::TrainOptions& train) {
  check_comparison(options, train);
  constexpr int64_t kMebi = 1 << 20;
  auto perturbed = train;
  perturbed.run.seed = options.seeds.front();
  perturbed.measure.probe.ntk_memory = options.ntk_memory;
  ComparisonTrial trial;
  trial.seeds = static_cast<int64_t>(options.seeds.size());
  const Stopwatch watch;
  std::optional<train::Experiment> start(perturbed);
  const auto kernel = kernel_of(*start, options.ntk_memory * kMebi);  // kept, as compare keeps it
  trial.kernel_seconds = watch.seconds();
  start.reset();
  for (const auto& tensor : {kernel.train, kernel.test, kernel.train_outputs, kernel.test_outputs})
    trial.kernel_bytes += static_cast<int64_t>(tensor.nbytes());
  trial.perturbed = train::try_run(perturbed);
  trial.clean = train::try_run(without_perturbation(perturbed));
  return trial;
}

std::string text_of(const ComparisonTrial& t) {
  const auto count = [](int64_t n, const char* what) {
    return internal::concat(n, " ", what, n == 1 ? "" : "s");
  };
  return internal::concat(
      text_of(t.perturbed), "\na seed: kernel ", duration_text(t.kernel_seconds),
      "; clean network ", duration_text(t.clean.seconds()), "; perturbed network ",
      duration_text(t.perturbed.seconds()), "; two linearised runs of seconds, not tried\n",
      count(t.seeds, "seed"), ": ", duration_text(t.seconds()), ", ",
      bytes_text(static_cast<double>(t.disk_bytes())), " of disk\n");
}

}  // namespace unlazy::experiments
