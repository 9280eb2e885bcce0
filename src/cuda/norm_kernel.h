// The arithmetic of the fused BatchNorm kernels, one value or one channel at a time, for the device
// and, in tests, for the host. An activation is a matrix of rows (pixels of all images) by
// channels, row-major: channels_last memory. Does not use LibTorch.
//   forward   y = relu((x - mean) scale + shift + residual), scale = weight / sqrt(variance + eps)
//   backward  g = dy where y > 0, else 0
//             dx = scale (g - mean(g) - xhat mean(g xhat)), xhat = (x - mean) / sqrt(variance + eps)
// Ioffe and Szegedy, "Batch Normalization", 2015. Products that are added are written as fmaf, so
// that every compiler rounds them alike.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/bf16_bits.h"

namespace unlazy::cuda {

inline constexpr unsigned kNormThreads = 256;  // of a block
inline constexpr unsigned kNormUnroll = 4;     // rows that a thread loads before it uses them

/// `width` channels that lie side by side, which a thread loads at once.
template <class T, int width>
struct alignas(sizeof(T) * width) NormPack {
  T values[width];
};

/// How blocks and threads are laid over the matrix. Thread t of a block has the channels of lane
/// t mod lanes in every (blocks * threads / lanes)-th row. Depends on the shape alone, so that sums
/// are always taken in the same order.
struct NormLayout {
  unsigned lanes;       // a power of two; a lane has `width` channels
  unsigned tiles;       // of lanes * width channels; the x size of the grid
  unsigned row_blocks;  // the y size of the grid
};

/// The layout of at most about `max_blocks` blocks for threads of `width` channels.
inline NormLayout norm_layout(int64_t rows, int64_t channels, int64_t width, int64_t max_blocks) {
  constexpr int64_t kMaxTile = 128;  // channels; the last block merges them with all its threads
  const int64_t groups = (channels + width - 1) / width;
  int64_t lanes = 1;
  while (lanes < groups && lanes < 32 && lanes * width < kMaxTile) lanes *= 2;
  const int64_t tiles = (groups + lanes - 1) / lanes;
  const int64_t rows_at_once = kNormThreads / lanes * kNormUnroll;
  const int64_t wanted = (rows + rows_at_once - 1) / rows_at_once;
  int64_t most = max_blocks / tiles;
  if (most > wanted) most = wanted;
  if (most < 1) most = 1;
  return {static_cast<unsigned>(lanes), static_cast<unsigned>(tiles), static_cast<unsigned>(most)};
}

// Two blocks for each multiprocessor of a large GPU keep its memory busy and leave little to merge.
inline NormLayout norm_sum_layout(int64_t rows, int64_t channels, int64_t width) {
  return norm_layout(rows, channels, width, 256);
}
inline NormLayout norm_map_layout(int64_t rows, int64_t channels, int64_t width) {
  return norm_layout(rows, channels, width, 1024);
}

struct NormShape {
  int64_t rows, channels;
};

/// Where blocks leave their sums. `partials` [row_blocks, 2, C]. `tickets` [tiles] count the blocks
/// that are done; they are zero before and after a launch.
struct NormScratch {
  float* partials;
  unsigned* tickets;
};

struct NormStatisticsArguments {
  const void* x;  // [rows, C]
  NormShape shape;
  NormScratch scratch;
  float *mean, *invstd;               // [C], written
  float *running_mean, *running_var;  // [C]; moved unless null
  int64_t* num_batches_tracked;       // one value; counted up unless null
  double momentum, eps;
};

struct NormApplyArguments {
  const void *x, *residual;  // [rows, C]; `residual` may be null
  NormShape shape;
  const float *mean, *weight, *bias;  // [C]
  const float* invstd;                // [C], or null: then from `variance` and `eps`
  const float* variance;              // [C]
  double eps;
  bool relu;
  void* y;  // [rows, C], written
};

/// Where the mask of the ReLU comes from.
enum class NormMask {
  kNone,    // there is no ReLU, or dy is masked already
  kInput,   // y is computed again from x: it is not read
  kOutput,  // y is read, and the masked dy is written: the residual's gradient
};

struct NormGradientArguments {
  const void *dy, *x, *y;  // [rows, C]; y for NormMask::kOutput only
  NormShape shape;
  NormScratch scratch;                         // of the sums
  const float *mean, *invstd, *weight, *bias;  // [C]
  NormMask mask;
  float *dweight, *dbias;  // [C], written by the sums and read for dx
  void* masked;            // [rows, C], written by the sums for NormMask::kOutput
  void* dx;                // [rows, C], written after the sums
};

/// A channel's affine function.
struct NormChannel {
  float mean, scale, shift;
};

UNLAZY_HOST_DEVICE inline float norm_value(float x, const NormChannel& c) {
  return fmaf(x - c.mean, c.scale, c.shift);
}

/// max(value, 0); nan stays nan.
UNLAZY_HOST_DEVICE inline float norm_relu(float value) {
  return value > 0.0f ? value : (value != value ? value : 0.0f);
}

/// `value` as T holds it.
template <class T>
UNLAZY_HOST_DEVICE inline float norm_rounded(float value) {
  T out;
  narrow(value, &out);
  return widen(out);
}

UNLAZY_HOST_DEVICE inline float norm_invstd(double variance, double eps) {
  return static_cast<float>(1.0 / sqrt(variance + eps));
}

/// Mean, 1 / std and running statistics of a channel from the sums of x - pivot and of its square.
UNLAZY_HOST_DEVICE inline void norm_finish(const double sums[2], float pivot,
                                           const NormStatisticsArguments& a, int64_t channel) {
  const double rows = static_cast<double>(a.shape.rows);
  const double offset = sums[0] / rows;
  const double mean = pivot + offset;
  double variance = sums[1] / rows - offset * offset;
  if (variance < 0) variance = 0;  // nan stays
  a.mean[channel] = static_cast<float>(mean);
  a.invstd[channel] = norm_invstd(variance, a.eps);
  if (a.running_mean == nullptr) return;
  const double keep = 1 - a.momentum;
  const double unbiased = variance * rows / (rows - 1);
  a.running_mean[channel] = static_cast<float>(keep * a.running_mean[channel] + a.momentum * mean);
  a.running_var[channel] =
      static_cast<float>(keep * a.running_var[channel] + a.momentum * unbiased);
}

/// dx of a value is scale (g - mean_g - (x - mean) slope).
struct NormGradientChannel {
  float mean, scale, mean_g, slope;
};

UNLAZY_HOST_DEVICE inline NormGradientChannel norm_gradient_channel(const NormGradientArguments& a,
                                                                    int64_t channel) {
  const float rows = static_cast<float>(a.shape.rows);
  const float invstd = a.invstd[channel];
  return {a.mean[channel], a.weight[channel] * invstd, a.dbias[channel] / rows,
          a.dweight[channel] / rows * invstd};
}

UNLAZY_HOST_DEVICE inline float norm_gradient(float g, float x, const NormGradientChannel& c) {
  return c.scale * fmaf(c.mean - x, c.slope, g - c.mean_g);
}

}  // namespace unlazy::cuda
