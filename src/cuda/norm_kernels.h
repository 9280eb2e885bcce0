// The kernels of fused BatchNorm, residual sum and ReLU. Two of them sum over the rows of each
// channel: every block leaves its sums, and the block that is done last merges them, in an order
// that depends on the shape alone. Two of them write. Formulas and arguments: cuda/norm_kernel.h.
// Grid: x for tiles of channels, y for rows (NormLayout); blocks of kNormThreads. `width` divides
// the number of channels, and pointers are aligned to NormPack<T, width>.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/bf16_bits.h"
#include "cuda/norm_kernel.h"

// Without a name, since tests compile these kernels for the CPU into a program that may hold those
// of the device, too.
namespace unlazy::cuda {
namespace {

/// Where a thread begins and how far it goes on.
struct NormPlace {
  int64_t channel;  // the first of its channels; past the end in the last tile
  int64_t row, step;
};

template <int width>
__device__ inline NormPlace norm_place(unsigned lanes) {
  const unsigned rows = kNormThreads / lanes;
  return {(int64_t{blockIdx.x} * lanes + threadIdx.x % lanes) * width,
          int64_t{blockIdx.y} * rows + threadIdx.x / lanes, int64_t{gridDim.y} * rows};
}

template <class T, int width>
__device__ inline NormPack<T, width> norm_load(const void* matrix, int64_t place) {
  return *reinterpret_cast<const NormPack<T, width>*>(static_cast<const T*>(matrix) + place);
}
template <class T, int width>
__device__ inline void norm_store(const NormPack<T, width>& pack, void* matrix, int64_t place) {
  auto* out = reinterpret_cast<NormPack<T, width>*>(static_cast<T*>(matrix) + place);
#ifdef __CUDA_ARCH__
  if constexpr (sizeof pack == sizeof(uint4)) {  // nvcc would store a pack value by value
    uint4 bits;
    memcpy(&bits, &pack, sizeof bits);
    __stwb(reinterpret_cast<uint4*>(out), bits);
    return;
  }
#endif
  *out = pack;
}

/// Merges two sums a channel over the block and then over all blocks. True for the threads of the
/// last block that hold a channel's totals in `sums`, with its number in `channel`.
template <int width>
__device__ inline bool norm_merge(const float (&first)[width], const float (&second)[width],
                                  unsigned lanes, int64_t num_channels, const NormScratch& scratch,
                                  double (&sums)[2], int64_t* channel) {
  __shared__ float parts[2 * width][kNormThreads];
  __shared__ double totals[2][kNormThreads];
  __shared__ bool is_last;
  const unsigned thread = threadIdx.x;
  for (int i = 0; i < width; ++i) {
    parts[i][thread] = first[i];
    parts[width + i][thread] = second[i];
  }
  for (unsigned half = kNormThreads / 2; half >= lanes; half /= 2) {
    __syncthreads();
    if (thread < half) {
      for (int i = 0; i < 2 * width; ++i) parts[i][thread] += parts[i][thread + half];
    }
  }
  const int64_t own = (int64_t{blockIdx.x} * lanes + thread) * width;
  if (thread < lanes && own < num_channels) {
    float* out = scratch.partials + int64_t{blockIdx.y} * 2 * num_channels + own;
    for (int i = 0; i < width; ++i) {
      out[i] = parts[i][thread];
      out[num_channels + i] = parts[width + i][thread];
    }
  }
  // A ticket says that the sums of this block are there for all.
  __threadfence();
  __syncthreads();
  if (thread == 0) is_last = atomicAdd(scratch.tickets + blockIdx.x, 1u) == gridDim.y - 1;
  __syncthreads();
  if (!is_last) return false;
  __threadfence();

  // A slice of the threads has every (slices)-th block.
  constexpr unsigned kAtOnce = 8;
  const unsigned tile = lanes * width, slices = kNormThreads / tile;
  *channel = int64_t{blockIdx.x} * tile + thread % tile;
  const bool is_inside = *channel < num_channels;
  const float* partials = scratch.partials + *channel;
  double one = 0, two = 0;
  for (unsigned block = thread / tile; block < gridDim.y && is_inside; block += kAtOnce * slices) {
    float left[kAtOnce], right[kAtOnce];
    for (unsigned i = 0; i < kAtOnce; ++i) {
      const unsigned other = block + i * slices;
      const float* row = partials + int64_t{other} * 2 * num_channels;
      left[i] = other < gridDim.y ? row[0] : 0.0f;
      right[i] = other < gridDim.y ? row[num_channels] : 0.0f;
    }
    for (unsigned i = 0; i < kAtOnce; ++i) {
      one += left[i];
      two += right[i];
    }
  }
  totals[0][thread] = one;
  totals[1][thread] = two;
  for (unsigned half = kNormThreads / 2; half >= tile; half /= 2) {
    __syncthreads();
    if (thread < half) {
      totals[0][thread] += totals[0][thread + half];
      totals[1][thread] += totals[1][thread + half];
    }
  }
  if (thread == 0) scratch.tickets[blockIdx.x] = 0;
  if (thread >= tile || !is_inside) return false;
  sums[0] = totals[0][thread];
  sums[1] = totals[1][thread];
  return true;
}

/// Statistics of a training batch, and the running ones. The first row keeps the squares small
/// where a channel's mean is far from 0.
template <class T, int width>
__global__ void __launch_bounds__(kNormThreads)
    norm_statistics_kernel(NormStatisticsArguments a, unsigned lanes) {
  const NormPlace place = norm_place<width>(lanes);
  const int64_t channels = a.shape.channels, rows = a.shape.rows;
  float first[width] = {}, second[width] = {};
  if (place.channel < channels) {
    const auto pivot = norm_load<T, width>(a.x, place.channel);
    for (int64_t row = place.row; row < rows; row += kNormUnroll * place.step) {
      NormPack<T, width> x[kNormUnroll];
      for (unsigned u = 0; u < kNormUnroll; ++u) {
        const int64_t at = row + u * place.step;
        x[u] = at < rows ? norm_load<T, width>(a.x, at * channels + place.channel) : pivot;
      }
      for (unsigned u = 0; u < kNormUnroll; ++u) {
        for (int i = 0; i < width; ++i) {
          const float value = widen(x[u].values[i]) - widen(pivot.values[i]);
          first[i] += value;
          second[i] = fmaf(value, value, second[i]);
        }
      }
    }
  }
  double sums[2];
  int64_t channel = 0;
  if (!norm_merge<width>(first, second, lanes, channels, a.scratch, sums, &channel)) return;
  norm_finish(sums, widen(static_cast<const T*>(a.x)[channel]), a, channel);
  if (channel == 0 && a.num_batches_tracked != nullptr) ++*a.num_batches_tracked;
}

/// y. From the last row to the first: what the statistics read last is still in the cache.
template <class T, int width>
__global__ void __launch_bounds__(kNormThreads)
    norm_apply_kernel(NormApplyArguments a, unsigned lanes) {
  const NormPlace place = norm_place<width>(lanes);
  const int64_t channels = a.shape.channels, rows = a.shape.rows;
  if (place.channel >= channels) return;
  NormChannel affine[width];
  for (int i = 0; i < width; ++i) {
    const int64_t c = place.channel + i;
    const float invstd = a.invstd != nullptr ? a.invstd[c] : norm_invstd(a.variance[c], a.eps);
    affine[i] = {a.mean[c], a.weight[c] * invstd, a.bias[c]};
  }
  for (int64_t row = place.row; row < rows; row += kNormUnroll * place.step) {
    NormPack<T, width> x[kNormUnroll], residual[kNormUnroll];
    for (unsigned u = 0; u < kNormUnroll; ++u) {
      const int64_t at = rows - 1 - (row + u * place.step);
      if (at < 0) break;
      x[u] = norm_load<T, width>(a.x, at * channels + place.channel);
      if (a.residual != nullptr) {
        residual[u] = norm_load<T, width>(a.residual, at * channels + place.channel);
      }
    }
    for (unsigned u = 0; u < kNormUnroll; ++u) {
      const int64_t at = rows - 1 - (row + u * place.step);
      if (at < 0) break;
      NormPack<T, width> y;
      for (int i = 0; i < width; ++i) {
        float value = norm_value(widen(x[u].values[i]), affine[i]);
        if (a.residual != nullptr) value += widen(residual[u].values[i]);
        narrow(a.relu ? norm_relu(value) : value, &y.values[i]);
      }
      norm_store(y, a.y, at * channels + place.channel);
    }
  }
}

/// dy behind the ReLU.
template <class T, NormMask mask>
__device__ inline float norm_masked(T dy, T x, T y, const NormChannel& c) {
  const float g = widen(dy);
  if (mask == NormMask::kInput) return norm_rounded<T>(norm_value(widen(x), c)) > 0.0f ? g : 0.0f;
  if (mask == NormMask::kOutput) return widen(y) > 0.0f ? g : 0.0f;
  return g;
}

template <int width>
__device__ inline void norm_channels(const NormGradientArguments& a, int64_t channel,
                                     NormChannel (&affine)[width]) {
  for (int i = 0; i < width; ++i) {
    const int64_t c = channel + i;
    affine[i] = {a.mean[c], a.weight[c] * a.invstd[c], a.bias[c]};
  }
}

/// dweight and dbias, and for NormMask::kOutput the masked dy.
template <class T, int width, NormMask mask>
__global__ void __launch_bounds__(kNormThreads)
    norm_gradient_sums_kernel(NormGradientArguments a, unsigned lanes) {
  const NormPlace place = norm_place<width>(lanes);
  const int64_t channels = a.shape.channels, rows = a.shape.rows;
  float first[width] = {}, second[width] = {};
  if (place.channel < channels) {
    NormChannel affine[width];
    norm_channels(a, place.channel, affine);
    for (int64_t row = place.row; row < rows; row += kNormUnroll * place.step) {
      NormPack<T, width> dy[kNormUnroll], x[kNormUnroll], y[kNormUnroll];
      for (unsigned u = 0; u < kNormUnroll; ++u) {
        const int64_t at = row + u * place.step;
        if (at >= rows) break;
        dy[u] = norm_load<T, width>(a.dy, at * channels + place.channel);
        x[u] = norm_load<T, width>(a.x, at * channels + place.channel);
        if (mask == NormMask::kOutput) {
          y[u] = norm_load<T, width>(a.y, at * channels + place.channel);
        } else {
          y[u] = x[u];
        }
      }
      for (unsigned u = 0; u < kNormUnroll; ++u) {
        const int64_t at = row + u * place.step;
        if (at >= rows) break;
        NormPack<T, width> masked;
        for (int i = 0; i < width; ++i) {
          const float g =
              norm_masked<T, mask>(dy[u].values[i], x[u].values[i], y[u].values[i], affine[i]);
          narrow(g, &masked.values[i]);
          first[i] += g;
          second[i] = fmaf(g, widen(x[u].values[i]) - affine[i].mean, second[i]);
        }
        if (mask == NormMask::kOutput) {
          norm_store(masked, a.masked, at * channels + place.channel);
        }
      }
    }
  }
  double sums[2];
  int64_t channel = 0;
  if (!norm_merge<width>(first, second, lanes, channels, a.scratch, sums, &channel)) return;
  a.dbias[channel] = static_cast<float>(sums[0]);
  a.dweight[channel] = static_cast<float>(sums[1] * a.invstd[channel]);
}

/// dx. `mask` is kNone or kInput; where the sums wrote the masked dy, this is the dy here. From the
/// last row to the first, as in norm_apply_kernel.
template <class T, int width, NormMask mask>
__global__ void __launch_bounds__(kNormThreads)
    norm_gradient_kernel(NormGradientArguments a, unsigned lanes) {
  const NormPlace place = norm_place<width>(lanes);
  const int64_t channels = a.shape.channels, rows = a.shape.rows;
  if (place.channel >= channels) return;
  NormChannel affine[width];
  norm_channels(a, place.channel, affine);
  NormGradientChannel gradient[width];
  for (int i = 0; i < width; ++i) gradient[i] = norm_gradient_channel(a, place.channel + i);
  for (int64_t row = place.row; row < rows; row += kNormUnroll * place.step) {
    NormPack<T, width> dy[kNormUnroll], x[kNormUnroll];
    for (unsigned u = 0; u < kNormUnroll; ++u) {
      const int64_t at = rows - 1 - (row + u * place.step);
      if (at < 0) break;
      dy[u] = norm_load<T, width>(a.dy, at * channels + place.channel);
      x[u] = norm_load<T, width>(a.x, at * channels + place.channel);
    }
    for (unsigned u = 0; u < kNormUnroll; ++u) {
      const int64_t at = rows - 1 - (row + u * place.step);
      if (at < 0) break;
      NormPack<T, width> dx;
      for (int i = 0; i < width; ++i) {
        const T value = x[u].values[i];
        const float g = norm_masked<T, mask>(dy[u].values[i], value, value, affine[i]);
        narrow(norm_gradient(g, widen(value), gradient[i]), &dx.values[i]);
      }
      norm_store(dx, a.dx, at * channels + place.channel);
    }
  }
}

}  // namespace
}  // namespace unlazy::cuda
