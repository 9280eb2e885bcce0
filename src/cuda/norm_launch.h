// The fused BatchNorm kernels for LibTorch's tensors, on LibTorch's current stream. All tensors are
// on one CUDA device: activations [B, C, H, W] in channels_last, all Float or all BFloat16, others
// [C], contiguous, Float. Nothing waits for the device, except norm_kernels_agree the first time.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

namespace unlazy::cuda {

/// Do the kernels work on this device? The first time they are compared with ATen's operators on
/// small problems; LibTorch's warning says so when they differ or cannot be launched. While a
/// graph is captured for which nobody asked before: no. An access outside of memory still ends the
/// program, since CUDA gives up the device then. Must be true before the functions below are used.
bool norm_kernels_agree(const c10::Device& device);

struct NormWeights {
  at::Tensor weight, bias;
};
/// `num_batches_tracked` is a Long of one value. All undefined, or momentum 0: they stay.
struct NormRunning {
  at::Tensor mean, var, num_batches_tracked;
  double momentum = 0.1;
};
struct NormOutput {
  at::Tensor y, mean, invstd;
};
/// Training mode, at least two rows; moves and counts up the running statistics.
NormOutput norm_train(const at::Tensor& x, const at::Tensor& residual, const NormWeights& weights,
                      const NormRunning& running, double eps, bool relu);
/// Evaluation mode: the running statistics.
at::Tensor norm_eval(const at::Tensor& x, const at::Tensor& residual, const NormWeights& weights,
                     const NormRunning& running, double eps, bool relu);

struct NormGradients {
  at::Tensor dx, dresidual, dweight, dbias;
};
/// What norm_train took and gave. `y` is used only with a residual and ReLU.
struct NormSaved {
  at::Tensor x, y;
  NormWeights weights;
  at::Tensor mean, invstd;
  bool has_residual = false, relu = true;
};
/// dresidual is `dy` itself without ReLU, and undefined without a residual.
NormGradients norm_backward(const at::Tensor& dy, const NormSaved& saved);

}  // namespace unlazy::cuda
