// The fused normalisation of models/fused_norm.h on CUDA, where it is compiled in. Kernels:
// cuda/norm_kernel.h. Nothing here waits for the device, except the first question.
#pragma once

#include <ATen/core/Tensor.h>

#include "models/fused_norm.h"

namespace unlazy::models {

/// Are these kernels there, and do they work on x's device? Compares them with LibTorch's operators
/// the first time. The layer's tensors must be Float, contiguous and on that device. `x` and
/// `residual` are what can_fuse wants.
bool can_fuse_on_cuda(const at::Tensor& x, const BatchNormTensors& norm);

/// As fused_batch_norm_train and fused_batch_norm_eval. Throw Error in a build without CUDA.
at::Tensor fused_batch_norm_train_on_cuda(const at::Tensor& x, const at::Tensor& residual,
                                          const BatchNormTensors& norm, bool relu);
at::Tensor fused_batch_norm_eval_on_cuda(const at::Tensor& x, const at::Tensor& residual,
                                         const BatchNormTensors& norm, bool relu);

}  // namespace unlazy::models
