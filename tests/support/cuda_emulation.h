// Runs CUDA kernels on the CPU, so that a machine without a GPU tests their indices, barriers and
// rounding. Include it, and then the header that holds the kernels (cuda/*_kernels.h):
//   run_kernel({{4, 2}, {32, 8}, Order::kDown}, [&] { sum_kernel<float>(x, rows, out); });
// Every thread of a block is a fiber that runs up to the next __syncthreads(). Blocks run one after
// another, and `order` says in which order threads and blocks do: a kernel that needs a barrier it
// does not have gives other results in another order. It does not show races on other memory, the
// alignment of vector loads, warp operations or what device compilers do to the arithmetic.
#pragma once

#include <cstdint>
#include <functional>

namespace unlazy::testing {

struct Index3 {
  unsigned x = 1, y = 1, z = 1;
};

enum class Order { kUp, kDown, kShuffled };

struct Launch {
  Index3 grid, block;
  Order order = Order::kUp;
  uint64_t seed = 0;  // of kShuffled
};

/// Calls `thread` once for every thread of the grid. Throws Error when the threads of a block do
/// not meet the same number of barriers, which hangs or worse on a GPU.
void run_kernel(const Launch& launch, const std::function<void()>& thread);

namespace emulation {
extern Index3 thread_index, block_index, block_dim, grid_dim;
void barrier();
}  // namespace emulation

}  // namespace unlazy::testing

// A block runs alone, so a static variable is what its threads share.
#define __global__
#define __device__
#define __host__
#define __shared__ static
#define __launch_bounds__(...)
#define threadIdx ::unlazy::testing::emulation::thread_index
#define blockIdx ::unlazy::testing::emulation::block_index
#define blockDim ::unlazy::testing::emulation::block_dim
#define gridDim ::unlazy::testing::emulation::grid_dim
#define __syncthreads() ::unlazy::testing::emulation::barrier()
#define __threadfence() static_cast<void>(0)

inline unsigned atomicAdd(unsigned* place, unsigned value) {
  const unsigned before = *place;
  *place += value;
  return before;
}
