#include "optim/sharpness_aware.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/linalg_vector_norm.h>

#include <algorithm>
#include <optional>

namespace unlazy::optim {

SharpnessAware::SharpnessAware(const OptimizerOptions& options, FlatParameters& parameters)
    : parameters_(parameters),
      base_(base_registry().find(options.sharpness.base).make(options, parameters)),
      group_size_(options.sharpness.group_size),
      before_(parameters.zeros_like_values()) {
  if (group_size_ > 0) sum_ = parameters.zeros_like_values();
}

void SharpnessAware::step(const GradientPass& gradient, const StepInputs& inputs) {
  if (!inputs.is_perturbed) return base_->step(gradient, inputs);
  base_->step([&](bool, const Span&) { sharp_gradient(gradient, inputs); }, inputs);
}

void SharpnessAware::sharp_gradient(const GradientPass& gradient, const StepInputs& inputs) {
  const int64_t count = inputs.batch_size;
  if (group_size_ == 0 || group_size_ >= count)
    return group_gradient(gradient, {0, count}, inputs.rho);
  sum_.zero_();
  for (int64_t begin = 0; begin < count; begin += group_size_) {
    const Span group{begin, std::min(begin + group_size_, count)};
    group_gradient(gradient, group, inputs.rho);
    const auto share = static_cast<double>(group.size()) / static_cast<double>(count);
    sum_.add_(parameters_.gradients(), share);
  }
  parameters_.gradients().copy_(sum_);
}

void SharpnessAware::group_gradient(const GradientPass& gradient, const Span& samples,
                                    const at::Tensor& rho) {
  std::optional<FlatParameters::MasterPrecision> master;
  if (compares_gradients()) master.emplace(parameters_);
  gradient(/*updates_statistics=*/true, samples);
  if (!master) master.emplace(parameters_);
  {
    at::NoGradGuard no_grad;
    before_.copy_(parameters_.values());
    perturb(rho);
    parameters_.publish();
  }
  gradient(/*updates_statistics=*/false, samples);
  at::NoGradGuard no_grad;
  combine();
  parameters_.values().copy_(before_);
}

at::Tensor radius_over_norm(const at::Tensor& rho, const at::Tensor& direction) {
  return rho / at::linalg_vector_norm(direction).clamp_min(1e-30);
}

}  // namespace unlazy::optim
