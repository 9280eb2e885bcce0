#include "linearise/predict.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/expm1.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/mv.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "core/error.h"

namespace unlazy::linearise {

MsePrediction::MsePrediction(const at::Tensor& kernel, const at::Tensor& outputs,
                             const at::Tensor& targets)
    : num_outputs_(outputs.size(1)) {
  UNLAZY_CHECK(outputs.sizes() == targets.sizes() && outputs.numel() == kernel.size(0),
               "prediction: wanted outputs and targets [N, K] for a kernel [N K, N K], got ",
               outputs.sizes(), ", ", targets.sizes(), " and ", kernel.sizes());
  const auto decomposed = spectrum(kernel);
  eigenvalues_ = decomposed.eigenvalues;
  eigenvectors_ = decomposed.eigenvectors;
  const auto error = outputs.cpu().to(c10::kDouble) - targets.cpu().to(c10::kDouble);
  residual_ = at::mv(eigenvectors_.t(), error.reshape({-1}));
}

at::Tensor MsePrediction::alpha(const at::Tensor& factor_over_lambda) const {
  return at::mv(eigenvectors_, factor_over_lambda * residual_).view({-1, num_outputs_});
}

at::Tensor MsePrediction::flow(double lr, double t) const {
  UNLAZY_CHECK(lr > 0 && t >= 0, "prediction: wanted lr > 0 and a time >= 0, got ", lr, " and ", t);
  const double time = lr * t / static_cast<double>(eigenvalues_.numel());
  const auto exponent =
      std::isinf(time) ? at::full_like(eigenvalues_, -time) : eigenvalues_ * -time;
  // expm1(-lambda time) / lambda -> -time for lambda -> 0.
  return alpha(at::where(
      eigenvalues_.abs() > 1e-14 * eigenvalues_[-1], at::expm1(exponent) / eigenvalues_,
      std::isinf(time) ? at::zeros_like(eigenvalues_) : at::full_like(eigenvalues_, -time)));
}

at::Tensor MsePrediction::descent(double lr, int64_t steps) const {
  UNLAZY_CHECK(lr > 0 && steps >= 0, "prediction: wanted lr > 0 and steps >= 0, got ", lr, " and ",
               steps);
  const double s = lr / static_cast<double>(eigenvalues_.numel());
  const auto power = at::pow(1 - eigenvalues_ * s, static_cast<double>(steps)) - 1;
  return alpha(at::where(eigenvalues_.abs() > 1e-14 * eigenvalues_[-1], power / eigenvalues_,
                         at::full_like(eigenvalues_, -s * static_cast<double>(steps))));
}

at::Tensor integrate_flow(const Kernel& kernel, const LossGradient& gradient, double lr, double t,
                          double tolerance) {
  // Dormand and Prince 1980.
  constexpr int kStages = 7;
  static constexpr std::array<std::array<double, 6>, kStages> kA = {{
      {},
      {1.0 / 5},
      {3.0 / 40, 9.0 / 40},
      {44.0 / 45, -56.0 / 15, 32.0 / 9},
      {19372.0 / 6561, -25360.0 / 2187, 64448.0 / 6561, -212.0 / 729},
      {9017.0 / 3168, -355.0 / 33, 46732.0 / 5247, 49.0 / 176, -5103.0 / 18656},
      {35.0 / 384, 0, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84},
  }};
  static constexpr std::array<double, kStages> kError = {
      71.0 / 57600, 0, -71.0 / 16695, 71.0 / 1920, -17253.0 / 339200, 22.0 / 525, -1.0 / 40};
  UNLAZY_CHECK(lr > 0 && t >= 0 && std::isfinite(t) && tolerance > 0,
               "prediction: wanted lr > 0, a finite time >= 0 and a tolerance > 0, got ", lr, ", ",
               t, " and ", tolerance);

  const at::NoGradGuard no_grad;
  const int64_t num_outputs = kernel.train_outputs.size(1);
  const auto k = kernel.train.to(c10::kDouble);
  const auto start = kernel.train_outputs.to(c10::kDouble).reshape({-1});
  const auto slope = [&](const at::Tensor& alpha) {
    const auto f = at::mv(k, alpha) + start;
    return gradient(f.view({-1, num_outputs})).to(c10::kDouble).reshape({-1}) * -lr;
  };
  auto alpha = at::zeros_like(start);
  std::vector<at::Tensor> slopes(kStages);
  slopes[0] = slope(alpha);
  double now = 0, step = t / 100;
  while (now < t) {
    step = std::min(step, t - now);
    UNLAZY_CHECK(step > 1e-14 * t, "prediction: the flow became too stiff at time ", now,
                 "; is the kernel finite?");
    at::Tensor next;
    for (int stage = 1; stage < kStages; ++stage) {
      next = alpha.clone();
      for (int i = 0; i < stage; ++i) {
        if (kA[stage][i] != 0) next.add_(slopes[i], step * kA[stage][i]);
      }
      slopes[stage] = slope(next);
    }
    auto error = at::zeros_like(alpha);
    for (int i = 0; i < kStages; ++i) {
      if (kError[i] != 0) error.add_(slopes[i], step * kError[i]);
    }
    // The error is measured in outputs, which is what is asked for.
    const double size = 1e-3 + (at::mv(k, next) + start).abs().max().item<double>();
    const double relative = at::mv(k, error).abs().max().item<double>() / (tolerance * size);
    if (relative <= 1) {
      now += step;
      alpha = next;
      slopes[0] = slopes[kStages - 1];  // first same as last
    }
    step *= std::clamp(0.9 * std::pow(std::max(relative, 1e-10), -0.2), 0.2, 5.0);
  }
  return alpha.view({-1, num_outputs});
}

}  // namespace unlazy::linearise
