// The emulation that the tests of kernels stand on: does it see what is wrong in a kernel?
#include "support/cuda_emulation.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/bf16_bits.h"
#include "core/error.h"

namespace unlazy::testing {
namespace {

constexpr unsigned kThreads = 8;

// The sum of a block's values, by halves; one thread adds it to the grid's.
template <bool kHasBarrier>
__global__ void sum_kernel(const int* values, int* sum) {
  __shared__ int part[kThreads];
  part[threadIdx.x] = values[blockIdx.x * blockDim.x + threadIdx.x];
  for (unsigned half = kThreads / 2; half > 0; half /= 2) {
    if (kHasBarrier) __syncthreads();
    if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
  }
  if (threadIdx.x == 0) *sum += part[0];
}

__global__ void uneven_kernel() {
  if (threadIdx.x != 3) __syncthreads();
}

template <bool kHasBarrier>
std::vector<int> sums() {
  std::vector<int> values(3 * kThreads), results;
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<int>(i * i);
  for (const auto order : {Order::kUp, Order::kDown, Order::kShuffled}) {
    int sum = 0;
    run_kernel({{3}, {kThreads}, order, 7}, [&] { sum_kernel<kHasBarrier>(values.data(), &sum); });
    results.push_back(sum);
  }
  return results;
}

TEST(CudaEmulation, RunsAllThreadsOfAllBlocks) {
  std::vector<int> seen(4 * 3 * 2 * 5 * 2, 0);
  run_kernel({{4, 3}, {2, 5, 2}}, [&] {
    const unsigned block = blockIdx.y * gridDim.x + blockIdx.x;
    const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    ++seen.at(block * 20 + thread);
  });
  EXPECT_EQ(seen, std::vector<int>(seen.size(), 1));
}

TEST(CudaEmulation, BarriersOrderTheThreads) {
  constexpr int kSum = 23 * 24 * 47 / 6;
  EXPECT_EQ(sums<true>(), (std::vector<int>{kSum, kSum, kSum}));
}

TEST(CudaEmulation, AMissingBarrierIsSeen) { EXPECT_NE(sums<false>(), sums<true>()); }

TEST(CudaEmulation, ABarrierThatSomeThreadsPassBySkippingItIsAnError) {
  EXPECT_THROW(run_kernel({{1}, {kThreads}}, [] { uneven_kernel(); }), Error);
}

TEST(CudaEmulation, Bf16RoundsToNearestAndTiesToEven) {
  const auto rounded = [](float value) {
    Bf16 bits = 0;
    narrow(value, &bits);
    return widen(bits);
  };
  EXPECT_EQ(rounded(1.0f), 1.0f);
  EXPECT_EQ(rounded(1.0f + 0x1p-8f), 1.0f);                // a tie, to even
  EXPECT_EQ(rounded(1.0f + 3 * 0x1p-8f), 1.0f + 0x1p-6f);  // a tie, to even
  EXPECT_EQ(rounded(1.0f + 0x1.8p-8f), 1.0f + 0x1p-7f);
  EXPECT_NE(rounded(__builtin_nanf("")), rounded(__builtin_nanf("")));
}

}  // namespace
}  // namespace unlazy::testing
