#include "measure/lanczos.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/dot.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace unlazy::measure {
namespace {

// T_m with diagonal `alpha` [m] and off-diagonal `beta` [m]; the last beta leads out of the space.
RitzValues ritz(const std::vector<double>& alpha, const std::vector<double>& beta) {
  const auto m = static_cast<int64_t>(alpha.size());
  auto t = at::zeros({m, m}, c10::kDouble);
  auto entry = t.accessor<double, 2>();
  for (int64_t i = 0; i < m; ++i) {
    entry[i][i] = alpha[static_cast<size_t>(i)];
    if (i + 1 < m) entry[i][i + 1] = entry[i + 1][i] = beta[static_cast<size_t>(i)];
  }
  const auto [values, vectors] = at::linalg_eigh(t);
  return {values, vectors[0].pow(2), vectors[m - 1].abs() * beta.back()};
}

// Takes the parts along `basis` out of w and returns what is left of its norm. A second pass is for
// a w that the first made much shorter, of which rounding is then a large part; more than two are
// never needed (Kahan and Parlett: "twice is enough").
at::Tensor orthogonalize_(at::Tensor& w, const std::vector<at::Tensor>& basis) {
  auto norm = w.norm();
  for (int pass = 0; pass < 2; ++pass) {
    const double before = norm.item<double>();
    for (const auto& q : basis) w.addcmul_(q, at::dot(q, w), -1);
    norm = w.norm();
    if (norm.item<double>() > 0.7 * before) break;
  }
  return norm;
}

bool is_converged(const RitzValues& found, int64_t num_top, double tolerance) {
  const int64_t m = found.values.numel();
  if (m < num_top) return false;
  const double size = found.values.abs().max().item<double>();
  return found.residuals.narrow(0, m - num_top, num_top).max().item<double>() <= tolerance * size;
}

}  // namespace

RitzValues lanczos(const std::function<at::Tensor(const at::Tensor&)>& apply,
                   const at::Tensor& start, int64_t max_steps, int64_t num_top, double tolerance) {
  at::NoGradGuard no_grad;
  const double rounding = start.scalar_type() == c10::kDouble ? 1e-14 : 1e-6;
  std::vector<at::Tensor> basis = {start / start.norm()};
  std::vector<double> alpha, beta;
  double size = 0;  // of the operator, from below
  RitzValues found;
  const int64_t steps = std::min(max_steps, start.numel());
  for (int64_t step = 0; step < steps; ++step) {
    auto w = apply(basis.back());
    const auto share = at::dot(w, basis.back());
    alpha.push_back(share.item<double>());
    w.addcmul_(basis.back(), share, -1);
    if (step > 0) w.sub_(basis[basis.size() - 2], beta.back());
    const auto norm = orthogonalize_(w, basis);
    beta.push_back(norm.item<double>());
    size = std::max({size, std::abs(alpha.back()), beta.back()});
    const bool is_exhausted = beta.back() <= rounding * size;
    if (num_top > 0 || is_exhausted || step + 1 == steps) found = ritz(alpha, beta);
    if (is_exhausted || (num_top > 0 && is_converged(found, num_top, tolerance))) break;
    if (step + 1 < steps) basis.push_back(w / norm);
  }
  return found;
}

}  // namespace unlazy::measure
