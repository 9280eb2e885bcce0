#include "models/dual_layers.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_make_dual.h>
#include <ATen/ops/_unpack_dual.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/native_group_norm.h>
#include <ATen/ops/native_group_norm_backward.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <tuple>
#include <vector>

namespace unlazy::models {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kLevel = 0;

struct Parts {
  at::Tensor value, tangent;  // undefined where there is none
};

Parts parts_of(const at::Tensor& dual) {
  if (!dual.defined()) return {};
  const auto [value, tangent] = at::_unpack_dual(dual, kLevel);
  return {value, tangent};
}

at::Tensor or_zeros(const at::Tensor& tangent, const at::Tensor& like) {
  return tangent.defined() ? tangent : at::zeros_like(like);
}

// (x', W') -> x' * W + x * W'
class ConvTangent : public torch::autograd::Function<ConvTangent> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x_tangent,
                            const at::Tensor& weight_tangent, const at::Tensor& x,
                            const at::Tensor& weight, int64_t stride, int64_t padding) {
    context->save_for_backward({x, weight});
    context->saved_data["shape"] = std::vector<int64_t>{stride, padding};
    return at::conv2d(at::cat({x_tangent, x}, 1), at::cat({weight, weight_tangent}, 1), {}, stride,
                      padding);
  }

  // That of the convolution of x with W itself.
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto& x = saved[0];
    const auto shape = context->saved_data["shape"].toIntVector();
    const std::vector<int64_t> stride(2, shape[0]), padding(2, shape[1]), ones(2, 1), zeros(2, 0);
    const auto [dx, dw, db] = at::convolution_backward(
        gradients[0].contiguous(x.suggest_memory_format()), x, saved[1], c10::nullopt, stride,
        padding, ones, /*transposed=*/false, zeros, /*groups=*/1,
        {context->needs_input_grad(0), context->needs_input_grad(1), false});
    return {dx, dw, {}, {}, {}, {}};
  }
};

// The tangent of GroupNorm's output, a linear function of those of x, scale and shift:
//   y' = scale A x' + scale' xhat + shift',   A = (I - 1 1^T / n - xhat xhat^T / n) / sigma
// in each group of n values, xhat its normalised values. A is symmetric. So A x' is the backward
// pass of GroupNorm with scale 1, and the backward pass of all of this is that of GroupNorm.
class GroupNormTangent : public torch::autograd::Function<GroupNormTangent> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x_tangent,
                            const at::Tensor& scale_tangent, const at::Tensor& shift_tangent,
                            const at::Tensor& x, const at::Tensor& mean, const at::Tensor& rstd,
                            const at::Tensor& scale, int64_t groups, double eps) {
    const int64_t batch = x.size(0), channels = x.size(1), positions = x.size(2) * x.size(3);
    context->saved_data["groups"] = groups;
    context->save_for_backward({x, mean, rstd, scale});
    const auto tangent = x_tangent.contiguous(x.suggest_memory_format());
    const auto moved = std::get<0>(
        at::native_group_norm_backward(tangent, x, mean, rstd, /*weight=*/{}, batch, channels,
                                       positions, groups, {true, false, false}));
    auto y = std::get<0>(at::native_group_norm(x, scale_tangent, shift_tangent, batch, channels,
                                               positions, groups, eps));
    return y.addcmul_(moved, scale.view({1, -1, 1, 1}));
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto& x = saved[0];
    const auto gradient = gradients[0].contiguous(x.suggest_memory_format());
    const auto [dx, dscale, dshift] = at::native_group_norm_backward(
        gradient, x, saved[1], saved[2], saved[3], x.size(0), x.size(1), x.size(2) * x.size(3),
        context->saved_data["groups"].toInt(), {true, true, true});
    return {dx, dscale, dshift, {}, {}, {}, {}, {}, {}};
  }
};

}  // namespace

bool is_dual_at_constants(std::initializer_list<at::Tensor> tensors) {
  const bool is_recorded = at::GradMode::is_enabled();
  bool is_dual = false;
  for (const auto& tensor : tensors) {
    if (!tensor.defined()) continue;
    if (is_recorded && tensor.requires_grad()) return false;
    is_dual = is_dual || tensor._fw_grad(kLevel).defined();
  }
  return is_dual;
}

at::Tensor dual_conv2d(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                       int64_t stride, int64_t padding) {
  const auto input = parts_of(x), kernel = parts_of(weight), shift = parts_of(bias);
  const auto y = at::conv2d(input.value, kernel.value, shift.value, stride, padding);
  auto tangent = ConvTangent::apply(or_zeros(input.tangent, input.value),
                                    or_zeros(kernel.tangent, kernel.value), input.value,
                                    kernel.value, stride, padding);
  if (shift.tangent.defined()) tangent = tangent + shift.tangent.view({1, -1, 1, 1});
  return at::_make_dual(y, tangent, kLevel);
}

at::Tensor dual_group_norm(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift,
                           int64_t groups, double eps) {
  const auto input = parts_of(x), gamma = parts_of(scale), beta = parts_of(shift);
  const auto dtype = gamma.value.scalar_type();
  const auto format = input.value.suggest_memory_format();
  const auto values = input.value.to(dtype).contiguous(format);
  const auto [y, mean, rstd] =
      at::native_group_norm(values, gamma.value, beta.value, values.size(0), values.size(1),
                            values.size(2) * values.size(3), groups, eps);
  const auto tangent = GroupNormTangent::apply(
      or_zeros(input.tangent, input.value).to(dtype), or_zeros(gamma.tangent, gamma.value),
      or_zeros(beta.tangent, beta.value), values, mean, rstd, gamma.value, groups, eps);
  return at::_make_dual(y.to(x.scalar_type()), tangent.to(x.scalar_type()), kLevel);
}

}  // namespace unlazy::models
