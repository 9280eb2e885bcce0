// Trace of the empirical neural tangent kernel, per sample:
//   1/n sum_n sum_k norm(df_k(x_n)/dtheta)^2
// It is estimated by random projections of the outputs, with the standard error.
#include <ATen/TensorOperators.h>

#include "measure/loss_surface.h"

namespace unlazy::measure {

std::vector<Value> measure_ntk_trace(const Subject& subject) {
  LossSurface surface(subject);
  auto rng = probe_rng("ntk-trace");
  std::vector<at::Tensor> samples;
  for (int64_t i = 0; i < subject.probe.probes; ++i) {
    subject.report(i, subject.probe.probes);
    samples.push_back(surface.squared_jacobian(rng) / static_cast<double>(surface.num_samples()));
  }
  return mean_and_error("ntk_trace", samples);
}

}  // namespace unlazy::measure
