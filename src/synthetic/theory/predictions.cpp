#include "synthetic/theory/predictions.h"

#include <cmath>
#include <numbers>

namespace unlazy::synthetic {

bool has_phase_one(const SyntheticOptions& options, const RunResult& run) {
  return options.model.family == "linear" && options.method.method == "label-noise-sgd" &&
         options.method.batch_size == 1 && run.setting.sigma > 0 && !run.records.empty();
}

PhaseOne phase_one(const SyntheticOptions& options, const RunResult& run) {
  constexpr int kPoints = 200;
  const double factor = options.method.loss == "full" ? 2 : 1;
  const double lr = factor * run.setting.lr, sigma2 = run.setting.sigma * run.setting.sigma;
  const auto& start = run.records.front();
  const double q0 = static_cast<double>(run.num_neurons) * start.norm_square_mean;
  const double norm_end = plateau_of(run).norm;
  PhaseOne curve;
  for (int i = 1; i <= kPoints; ++i) {
    const double norm =
        start.norm_mean * std::pow(norm_end / start.norm_mean, static_cast<double>(i) / kPoints);
    const double q = q0 * (norm / start.norm_mean) * (norm / start.norm_mean);
    const double step = (std::log(q0 / q) - lr / 2 * (q0 - q)) / (lr * lr * sigma2);
    if (!(step > 0) || lr * q >= 2 || step > static_cast<double>(options.method.steps)) continue;
    curve.step.push_back(step);
    curve.norm.push_back(norm);
    curve.loss.push_back(factor * sigma2 / 2 * lr * q / (2 - lr * q));
  }
  return curve;
}

Plateau plateau_of(const RunResult& run) {
  const double root_d = std::sqrt(static_cast<double>(run.d)),
               m = static_cast<double>(run.num_neurons);
  const double mean_abs = std::sqrt(2 / std::numbers::pi);  // of a standard normal
  return {mean_abs * std::sqrt(run.teacher_norm * root_d / m),
          mean_abs * std::sqrt(run.teacher_norm / (root_d * m))};
}

}  // namespace unlazy::synthetic
