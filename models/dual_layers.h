// Layers on dual numbers, for networks that are linearised at fixed weights (src/linearise). Their
// own forward derivative is LibTorch's, with fewer passes over memory:
//   convolution   x' * W + x * W' is one convolution of the stacked channels [x', x] with [W', W],
//                 which is faster than two where the channels are few
//   GroupNorm     two calls of ATen's kernels instead of a dozen operators
// Gradients are recorded for the tangents alone. LibTorch has a single level of forward derivatives.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <initializer_list>

namespace unlazy::models {

/// Has one of `tensors` a tangent, and are no gradients of their values recorded? Then the functions
/// below can be used. Undefined tensors do not count.
bool is_dual_at_constants(std::initializer_list<at::Tensor> tensors);

/// As at::conv2d: x [B, C_in, H, W], weight [C_out, C_in, h, w], bias [C_out] or undefined.
at::Tensor dual_conv2d(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                       int64_t stride, int64_t padding);

/// As at::group_norm, in the dtype of `scale`; the output has the dtype of x. x [B, C, H, W], scale
/// and shift [C].
at::Tensor dual_group_norm(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift,
                           int64_t groups, double eps);

}  // namespace unlazy::models
