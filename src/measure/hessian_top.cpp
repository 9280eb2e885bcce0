// The largest eigenvalues of the Hessian of the loss, by Lanczos:
//   hessian_top_1 >= hessian_top_2 >= ...
//   hessian_top_residual   the largest of their error bounds, relative to the largest magnitude
// An eigenvalue that occurs several times is found once, because one starting vector sees only one
// direction of its eigenspace.
#include <ATen/TensorOperators.h>

#include <algorithm>

#include "measure/lanczos.h"
#include "measure/loss_surface.h"

namespace unlazy::measure {

std::vector<Value> measure_hessian_top(const Subject& subject) {
  LossSurface surface(subject);
  auto rng = probe_rng("hessian-top");
  // The error of an eigenvalue is of second order in its residual: 1e-3 is far below what the
  // choice of samples changes.
  const double tolerance = surface.point().scalar_type() == c10::kDouble ? 1e-8 : 1e-3;
  const int64_t steps = std::min(subject.probe.lanczos_steps, surface.num_free());
  int64_t num_products = 0;
  const auto product = [&](const at::Tensor& v) {
    subject.report(num_products++, steps);
    return surface.hessian_vector(v);
  };
  const auto found = lanczos(product, surface.normals(rng), steps, subject.probe.top, tolerance);
  const int64_t m = found.values.numel();
  const int64_t count = std::min(subject.probe.top, m);
  std::vector<Value> values;
  for (int64_t i = 0; i < count; ++i)
    values.push_back({"hessian_top_" + std::to_string(i + 1), found.values[m - 1 - i]});
  values.push_back({"hessian_top_residual", found.residuals.narrow(0, m - count, count).max() /
                                                found.values.abs().max().clamp_min(1e-300)});
  return values;
}

}  // namespace unlazy::measure
