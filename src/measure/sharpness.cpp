// How much the loss rises within distance rho of the parameters:
//   sharpness          L(w + rho g / norm(g)) - L(w)               SAM's own step
//   sharpness_pga      max over norm(e) <= rho of L(w + e) - L(w)  a lower bound: the best point of
//                                                                  ten steps of projected gradient
//                                                                  ascent from SAM's step
//   sharpness_average  E L(w + rho u) - L(w)                       u uniform on the unit sphere;
//                                                                  with standard error
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/maximum.h>

#include "measure/loss_surface.h"

namespace unlazy::measure {
namespace {

constexpr int kAscentSteps = 10;

at::Tensor of_length(const at::Tensor& direction, double rho) {
  return direction * (rho / direction.norm().clamp_min(1e-30));
}

// L at `center` + e; the surface is left there.
at::Tensor loss_at(LossSurface& surface, const at::Tensor& center, const at::Tensor& e) {
  at::NoGradGuard no_grad;
  surface.point().copy_(center + e);
  return surface.loss();
}

}  // namespace

std::vector<Value> measure_sharpness(const Subject& subject) {
  LossSurface surface(subject);
  const auto center = surface.point().clone();
  const auto before = surface.loss();
  const auto e = of_length(surface.gradient(), subject.probe.rho);
  return {{"sharpness", loss_at(surface, center, e) - before}};
}

std::vector<Value> measure_sharpness_pga(const Subject& subject) {
  LossSurface surface(subject);
  const double rho = subject.probe.rho;
  const auto center = surface.point().clone();
  const auto before = surface.loss();
  auto e = of_length(surface.gradient(), rho);
  auto best = at::maximum(loss_at(surface, center, e), before);
  for (int i = 0; i < kAscentSteps; ++i) {
    subject.report(i, kAscentSteps);
    e = e + of_length(surface.gradient(), rho / 2);
    e = e * (rho / e.norm().clamp_min(rho));
    best = at::maximum(best, loss_at(surface, center, e));
  }
  return {{"sharpness_pga", best - before}};
}

std::vector<Value> measure_sharpness_average(const Subject& subject) {
  LossSurface surface(subject);
  auto rng = probe_rng("sharpness-average");
  const auto center = surface.point().clone();
  const auto before = surface.loss();
  std::vector<at::Tensor> rises;
  for (int64_t i = 0; i < subject.probe.probes; ++i) {
    subject.report(i, subject.probe.probes);
    const auto e = of_length(surface.normals(rng), subject.probe.rho);
    rises.push_back(loss_at(surface, center, e) - before);
  }
  return mean_and_error("sharpness_average", rises);
}

}  // namespace unlazy::measure
