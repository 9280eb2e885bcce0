// The noise of minibatch gradients, from the gradients g_b of M disjoint batches of B samples with
// mean g:
//   tr(G) = B (E norm(g_B)^2 - norm(g)^2)   trace of the covariance of one sample's gradient,
//                                           estimated without bias by
//                                           B / (M - 1) sum_b norm(g_b - g)^2
//   noise scale = tr(G) / norm(E g)^2       (McCandlish et al. 2018), with the unbiased
//                                           norm(E g)^2 = norm(g)^2 - tr(G) / (M B)
// The noise scale may be negative or huge when the gradient is small compared with the noise.
#include <ATen/TensorOperators.h>
#include <ATen/ops/dot.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "core/error.h"
#include "measure/loss_surface.h"

namespace unlazy::measure {
namespace {

struct Moments {
  at::Tensor trace;         // tr(G)
  at::Tensor squared_norm;  // of the expected gradient
};

// norms of g_b are summed in fp64: the difference of two nearly equal numbers is wanted.
Moments moments(const Subject& subject) {
  LossSurface surface(subject);
  const int64_t size = subject.probe.group;
  const int64_t num_batches = surface.num_samples() / size;
  UNLAZY_CHECK_USAGE(num_batches >= 2, "gradient covariance: needs two batches of ", size,
                     " samples at least, but measures on ", surface.num_samples(),
                     " samples; use more of them or a smaller group");
  auto mean = at::zeros_like(surface.point()).to(c10::kDouble);
  auto squares = at::zeros({}, mean.options());
  for (int64_t b = 0; b < num_batches; ++b) {
    const auto g = surface.gradient({b * size, (b + 1) * size}).to(c10::kDouble);
    mean.add_(g);
    squares.add_(at::dot(g, g));
  }
  const auto m = static_cast<double>(num_batches);
  mean.div_(m);
  const auto norm = at::dot(mean, mean);
  const auto trace = (squares / m - norm) * (m / (m - 1)) * static_cast<double>(size);
  return {trace, norm - trace / (m * static_cast<double>(size))};
}

}  // namespace

std::vector<Value> measure_gradient_covariance(const Subject& subject) {
  return {{"gradient_covariance_trace", moments(subject).trace}};
}

std::vector<Value> measure_gradient_noise_scale(const Subject& subject) {
  const auto found = moments(subject);
  return {{"gradient_noise_scale", found.trace / found.squared_norm}};
}

}  // namespace unlazy::measure
