// The optimizer's kernels as their launcher sees them (device pointers and a stream).
#pragma once

#include <cuda_runtime_api.h>

#include "cuda/update_kernel.h"

namespace unlazy::cuda {

/// An update of SGD. `lr`: a scalar on the device, float or, with `is_double`, double.
cudaError_t sgd_update(const UpdateBuffers<float>& buffers, const SgdRule& rule, const void* lr,
                       bool is_double, cudaStream_t stream);
cudaError_t sgd_update(const UpdateBuffers<double>& buffers, const SgdRule& rule, const void* lr,
                       bool is_double, cudaStream_t stream);

/// values += rho / norm * gradients. `rho` and `norm` are scalars on the device; `norm` null: 1.
cudaError_t perturb(const UpdateBuffers<float>& buffers, const float* rho, const float* norm,
                    cudaStream_t stream);
cudaError_t perturb(const UpdateBuffers<double>& buffers, const double* rho, const double* norm,
                    cudaStream_t stream);

}  // namespace unlazy::cuda
