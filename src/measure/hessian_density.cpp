// Spectral density of the Hessian of the loss by stochastic Lanczos quadrature (Ghorbani,
// Krishnan and Xiao 2019). Lanczos from random v gives nodes lambda_j and weights w_j with
//   sum_j w_j p(lambda_j) = v . p(H) v / v . v   for polynomials p of degree < 2 m.
// The mean of this over v is 1/P trace p(H), where P counts the parameters that are not pruned.
// Results: the mean and the mean square of the eigenvalues with standard errors, the range, the
// weight below 0, and the curve, which is the weights smoothed with a Gaussian of 1 % of the range.
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/linspace.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "measure/lanczos.h"
#include "measure/loss_surface.h"

namespace unlazy::measure {
namespace {

constexpr int64_t kGrid = 400;

void add_curve(const at::Tensor& nodes, const at::Tensor& weights, std::vector<Value>& values) {
  const double low = nodes.min().item<double>(), high = nodes.max().item<double>();
  const double sigma = std::max(0.01 * (high - low), 1e-12);
  const auto x = at::linspace(low - 5 * sigma, high + 5 * sigma, kGrid, nodes.options());
  const auto distance = (x.unsqueeze(1) - nodes.unsqueeze(0)) / sigma;
  const auto y =
      at::exp(distance.pow(2) * -0.5).matmul(weights) / (sigma * std::sqrt(2 * std::numbers::pi));
  values.push_back({"hessian_density_x", x});
  values.push_back({"hessian_density_y", y});
}

}  // namespace

std::vector<Value> measure_hessian_density(const Subject& subject) {
  LossSurface surface(subject);
  auto rng = probe_rng("hessian-density");
  std::vector<at::Tensor> nodes, weights, means, squares;
  const int64_t steps = std::min(subject.probe.lanczos_steps, surface.num_free());
  int64_t num_products = 0;
  for (int64_t i = 0; i < subject.probe.probes; ++i) {
    const auto product = [&](const at::Tensor& v) {
      subject.report(num_products++, subject.probe.probes * steps);
      return surface.hessian_vector(v);
    };
    const auto found = lanczos(product, surface.signs(rng), steps);
    nodes.push_back(found.values);
    weights.push_back(found.weights / static_cast<double>(subject.probe.probes));
    means.push_back((found.weights * found.values).sum());
    squares.push_back((found.weights * found.values.pow(2)).sum());
  }
  const auto all = at::cat(nodes), share = at::cat(weights);
  auto values = mean_and_error("hessian_density_mean", means);
  for (auto& value : mean_and_error("hessian_density_mean_square", squares))
    values.push_back(std::move(value));
  values.push_back({"hessian_density_min", all.min()});
  values.push_back({"hessian_density_max", all.max()});
  values.push_back({"hessian_density_negative", share.masked_select(all < 0).sum()});
  add_curve(all, share, values);
  return values;
}

}  // namespace unlazy::measure
