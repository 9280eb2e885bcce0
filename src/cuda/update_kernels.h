// The optimizer's kernels: one pass over the flat buffers, with a grid of any size. A test runs
// them on the CPU, so this file includes nothing of CUDA.
#pragma once

#include <cstdint>

#include "cuda/update_kernel.h"

namespace unlazy::cuda {

template <class T, class Rate>
__global__ void sgd_kernel(UpdateBuffers<T> buffers, SgdRule rule, const Rate* lr) {
  const T rate = static_cast<T>(*lr);
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < buffers.size;
       i += stride) {
    sgd_element(buffers, rule, rate, i);
  }
}

template <class T>
__global__ void perturb_kernel(UpdateBuffers<T> buffers, const T* rho, const T* norm) {
  const T scale = perturbation_scale(rho, norm);
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < buffers.size;
       i += stride) {
    perturb_element(buffers, scale, i);
  }
}

}  // namespace unlazy::cuda
