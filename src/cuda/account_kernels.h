// The accounting of a batch as one block of threads.
#pragma once

#include <cstdint>

#include "cuda/account_kernel.h"

namespace unlazy::cuda {

constexpr unsigned kAccountThreads = 256;

/// Launch one block of kAccountThreads. The counts are whole numbers, so their order does not
/// matter.
template <class T>
__global__ void account_kernel(AccountArguments<T> arguments) {
  __shared__ int64_t part[kAccountThreads][kNumCounts];
  int64_t* mine = part[threadIdx.x];
  for (int i = 0; i < kNumCounts; ++i) mine[i] = 0;
  count_samples(arguments, threadIdx.x, blockDim.x, mine);
  for (unsigned half = kAccountThreads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x >= half) continue;
    for (int i = 0; i < kNumCounts; ++i) mine[i] += part[threadIdx.x + half][i];
  }
  if (threadIdx.x == 0) add_batch(arguments, mine);
}

}  // namespace unlazy::cuda
