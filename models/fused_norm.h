// BatchNorm, the residual sum and ReLU in two passes over memory instead of five, both forward and
// backward. On a CPU with fast bf16 matrix units the convolutions take half of a ResNet step, and
// these memory-bound passes would take a third.
//   y = relu(scale (x - mean) invstd + shift + residual)
// with mean and variance over B, H, W of the batch. Statistics are summed in fp32 over short runs
// of rows and in fp64 across them, in an order that does not depend on the number of threads. On
// CUDA other kernels do the same (models/fused_norm_cuda.h), where they agree with LibTorch's.
// Cannot be differentiated twice and has no forward derivative. NormImpl::forward (models/norm.h)
// uses it, and uses plain operators instead while a PlainOperators lives.
#pragma once

#include <ATen/core/Tensor.h>

namespace unlazy::models {

/// The BatchNorm layer's tensors: [C] each, float (double is not supported).
struct BatchNormTensors {
  at::Tensor weight, bias;
  at::Tensor running_mean, running_var;
  at::Tensor num_batches_tracked;  // one value, Long
  double momentum = 0.1;           // of the running statistics; 0 leaves them and the count
  double eps = 1e-5;
};

/// Does the fused kernel support this input? CPU, or CUDA in a build with it; Float or BFloat16,
/// [B, C, H, W] in channels_last, at least two values per channel, no forward-mode derivative in
/// progress.
bool can_fuse(const at::Tensor& x, const at::Tensor& residual, const BatchNormTensors& norm);

/// Training mode: batch statistics; updates the running ones (unbiased variance, as PyTorch) and
/// counts the batch.
/// `residual` may be undefined.
at::Tensor fused_batch_norm_train(const at::Tensor& x, const at::Tensor& residual,
                                  const BatchNormTensors& norm, bool relu);
/// Evaluation mode with the running statistics, without gradients.
at::Tensor fused_batch_norm_eval(const at::Tensor& x, const at::Tensor& residual,
                                 const BatchNormTensors& norm, bool relu);

/// Throws Error where gradients are recorded. Fused backward passes call it: gradients are recorded
/// there only for a second derivative, which would silently be zero.
void check_once_differentiated();

}  // namespace unlazy::models
