// Fused BatchNorm, residual sum and ReLU for CUDA. Formulas, layout and arguments are in
// cuda/norm_kernel.h. All pointers are of the device. Nothing waits for the device.
#pragma once

#include <cuda_runtime_api.h>

#include "cuda/norm_kernel.h"

namespace unlazy::cuda {

/// The element type of activations and the channels that a thread loads at once: 1, or 16 bytes of
/// them (8 of bf16, 4 of fp32) where these divide C and all matrices are aligned to 16 bytes.
struct NormKind {
  bool is_bf16;
  bool is_wide;
};

/// Returns the error of the launch.
cudaError_t norm_statistics(const NormStatisticsArguments& arguments, const NormKind& kind,
                            cudaStream_t stream);
cudaError_t norm_apply(const NormApplyArguments& arguments, const NormKind& kind,
                       cudaStream_t stream);
/// dweight, dbias and, with NormMask::kOutput, `masked`; then dx.
cudaError_t norm_gradient(const NormGradientArguments& arguments, const NormKind& kind,
                          cudaStream_t stream);

}  // namespace unlazy::cuda
