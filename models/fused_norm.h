// BatchNorm, the residual sum and ReLU in two passes over memory instead of five, forward and
// backward, on the CPU. On a CPU with fast bf16 matrix units the convolutions take half of a ResNet
// step and these memory-bound passes a third.
//   y = relu(scale (x - mean) invstd + shift + residual),  mean and variance over B, H, W of the
//   batch
// Statistics are summed in fp32 over short runs of rows and in fp64 across them, in an order that
// does not depend on the number of threads. Not differentiable twice and without a forward
// derivative: norm_act() takes the plain operators where those are wanted.
#pragma once

#include <ATen/core/Tensor.h>

namespace unlazy::models {

/// The BatchNorm layer's tensors: [C] each, float (double is not served).
struct BatchNormTensors {
  at::Tensor weight, bias;
  at::Tensor running_mean, running_var;
  double momentum = 0.1;  // of the running statistics; 0 leaves them
  double eps = 1e-5;
};

/// Can the fused kernel serve this input? CPU, Float or BFloat16, [B, C, H, W] in channels_last, at
/// least two values a channel, no forward-mode derivative under way.
bool can_fuse(const at::Tensor& x, const at::Tensor& residual, const BatchNormTensors& norm);

/// Training mode: batch statistics; updates the running ones (unbiased variance, as PyTorch).
/// `residual` may be undefined.
at::Tensor fused_batch_norm_train(const at::Tensor& x, const at::Tensor& residual,
                                  const BatchNormTensors& norm, bool relu);
/// Evaluation mode with the running statistics, without gradients.
at::Tensor fused_batch_norm_eval(const at::Tensor& x, const at::Tensor& residual,
                                 const BatchNormTensors& norm, bool relu);

}  // namespace unlazy::models
