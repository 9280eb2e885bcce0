// Trace of the Hessian of the loss by Hutchinson's estimate: the mean of v . H v over random v with
// entries -1 or 1, and its standard error.
#include <ATen/TensorOperators.h>
#include <ATen/ops/dot.h>

#include "measure/loss_surface.h"

namespace unlazy::measure {

std::vector<Value> measure_hessian_trace(const Subject& subject) {
  LossSurface surface(subject);
  auto rng = probe_rng("hessian-trace");
  std::vector<at::Tensor> samples;
  for (int64_t i = 0; i < subject.probe.probes; ++i) {
    subject.report(i, subject.probe.probes);
    const auto v = surface.signs(rng);
    samples.push_back(at::dot(v, surface.hessian_vector(v)));
  }
  return mean_and_error("hessian_trace", samples);
}

}  // namespace unlazy::measure
