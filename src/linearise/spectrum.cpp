#include "linearise/spectrum.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_eigvalsh.h>

#include <cmath>

#include "core/error.h"

namespace unlazy::linearise {

at::Tensor trace_classes(const at::Tensor& full, int64_t num_outputs) {
  UNLAZY_CHECK(full.dim() == 2 && num_outputs > 0 && full.size(0) % num_outputs == 0 &&
                   full.size(1) % num_outputs == 0,
               "ntk: wanted a kernel [N K, M K] with K = ", num_outputs, ", got ", full.sizes());
  return full
      .view({full.size(0) / num_outputs, num_outputs, full.size(1) / num_outputs, num_outputs})
      .diagonal(0, 1, 3)
      .mean(-1);
}

namespace {

at::Tensor checked_symmetric(const at::Tensor& kernel) {
  UNLAZY_CHECK(kernel.dim() == 2 && kernel.size(0) == kernel.size(1),
               "ntk: wanted a square kernel, got shape ", kernel.sizes());
  const auto k = kernel.detach().cpu().to(c10::kDouble);
  UNLAZY_CHECK(at::isfinite(k).all().item<bool>(),
               "ntk: the kernel has entries that are not finite");
  const double size = k.abs().max().item<double>();
  UNLAZY_CHECK((k - k.t()).abs().max().item<double>() <= 1e-4 * size,
               "ntk: the kernel is not symmetric; only the training kernel has a spectrum");
  return k;
}

void check_same_shape(const at::Tensor& a, const at::Tensor& b) {
  UNLAZY_CHECK(a.sizes() == b.sizes(), "ntk: kernels of shapes ", a.sizes(), " and ", b.sizes(),
               " cannot be compared");
}

double frobenius(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(c10::kDouble) * b.to(c10::kDouble)).sum().item<double>();
}

}  // namespace

Spectrum spectrum(const at::Tensor& kernel) {
  const auto [values, vectors] = at::linalg_eigh(checked_symmetric(kernel));
  return {values, vectors};
}

double stable_rate(double momentum, bool is_nesterov) {
  return 2 * (1 + momentum) / (is_nesterov ? 1 + 2 * momentum : 1);
}

double max_learning_rate(const at::Tensor& kernel, double momentum, bool is_nesterov) {
  const double top = at::linalg_eigvalsh(checked_symmetric(kernel))[-1].item<double>();
  return stable_rate(momentum, is_nesterov) * static_cast<double>(kernel.size(0)) / top;
}

double kernel_alignment(const at::Tensor& a, const at::Tensor& b) {
  check_same_shape(a, b);
  return frobenius(a, b) / std::sqrt(frobenius(a, a) * frobenius(b, b));
}

double kernel_distance(const at::Tensor& a, const at::Tensor& b) {
  check_same_shape(a, b);
  const auto off = a.to(c10::kDouble) - b.to(c10::kDouble);
  return std::sqrt(frobenius(off, off) / frobenius(b, b));
}

}  // namespace unlazy::linearise
