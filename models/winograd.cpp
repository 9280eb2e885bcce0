#include "models/winograd.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>

#include "core/error.h"
#include "core/simd.h"
#include "models/dual_layers.h"
#include "models/norm.h"

namespace unlazy::models {
namespace {

constexpr int64_t kTile = 4, kWindow = 6, kPlaces = kWindow * kWindow;
constexpr int64_t kLane = 16;  // channels at a time
// Tiles at a time: what lies between the transforms and the products stays in the cache.
constexpr int64_t kBlock = 128;

// An activation in channels_last memory, cut into tiles: image by image, row by row.
struct Tiling {
  int64_t height, width, channels, rows, columns;
  explicit Tiling(int64_t h, int64_t w, int64_t c)
      : height(h), width(w), channels(c), rows((h + 3) / 4), columns((w + 3) / 4) {}
  int64_t per_image() const { return rows * columns; }
};

// B^T applied to six values of each lane.
UNLAZY_INLINE void transform_input(const float (&d)[kWindow][kLane], float (&t)[kWindow][kLane]) {
  for (int64_t c = 0; c < kLane; ++c) {
    const float a = d[4][c] - 4 * d[2][c], b = d[3][c] - 4 * d[1][c];
    const float e = d[4][c] - d[2][c], f = 2 * (d[3][c] - d[1][c]);
    t[0][c] = 4 * d[0][c] - 5 * d[2][c] + d[4][c];
    t[1][c] = a + b;
    t[2][c] = a - b;
    t[3][c] = e + f;
    t[4][c] = e - f;
    t[5][c] = 4 * d[1][c] - 5 * d[3][c] + d[5][c];
  }
}

// A^T applied to six values of each lane.
UNLAZY_INLINE void transform_output(const float (&m)[kWindow][kLane], float (&y)[kTile][kLane]) {
  for (int64_t c = 0; c < kLane; ++c) {
    const float a = m[1][c] + m[2][c], b = m[1][c] - m[2][c];
    const float e = m[3][c] + m[4][c], f = m[3][c] - m[4][c];
    y[0][c] = m[0][c] + a + e;
    y[1][c] = b + 2 * f;
    y[2][c] = a + 4 * e;
    y[3][c] = b + 8 * f + m[5][c];
  }
}

// Tiles [begin, begin + count) of `x` into v [36, count, C].
UNLAZY_SIMD void gather_tiles(const float* x, const Tiling& tiling, int64_t begin, int64_t count,
                              float* v) {
  const int64_t channels = tiling.channels;
  for (int64_t t = 0; t < count; ++t) {
    const int64_t tile = begin + t, place = tile % tiling.per_image();
    const int64_t top = place / tiling.columns * kTile - 1;
    const int64_t left = place % tiling.columns * kTile - 1;
    const float* image = x + tile / tiling.per_image() * tiling.height * tiling.width * channels;
    for (int64_t c = 0; c < channels; c += kLane) {
      float half[kWindow][kWindow][kLane];  // B^T d, by columns of the window
      for (int64_t column = 0; column < kWindow; ++column) {
        float d[kWindow][kLane] = {};
        const int64_t at_x = left + column;
        for (int64_t row = 0; row < kWindow; ++row) {
          const int64_t at_y = top + row;
          if (at_x < 0 || at_x >= tiling.width || at_y < 0 || at_y >= tiling.height) continue;
          const float* from = image + (at_y * tiling.width + at_x) * channels + c;
          for (int64_t i = 0; i < kLane; ++i) d[row][i] = from[i];
        }
        transform_input(d, half[column]);
      }
      for (int64_t row = 0; row < kWindow; ++row) {
        float d[kWindow][kLane], whole[kWindow][kLane];
        for (int64_t column = 0; column < kWindow; ++column)
          for (int64_t i = 0; i < kLane; ++i) d[column][i] = half[column][row][i];
        transform_input(d, whole);
        for (int64_t column = 0; column < kWindow; ++column) {
          float* to = v + ((row * kWindow + column) * count + t) * channels + c;
          for (int64_t i = 0; i < kLane; ++i) to[i] = whole[column][i];
        }
      }
    }
  }
}

// The way back: products m [36, count, C] into tiles [begin, begin + count) of `y`.
UNLAZY_SIMD void scatter_tiles(const float* m, const Tiling& tiling, int64_t begin, int64_t count,
                               float* y) {
  const int64_t channels = tiling.channels;
  for (int64_t t = 0; t < count; ++t) {
    const int64_t tile = begin + t, place = tile % tiling.per_image();
    const int64_t top = place / tiling.columns * kTile, left = place % tiling.columns * kTile;
    float* image = y + tile / tiling.per_image() * tiling.height * tiling.width * channels;
    for (int64_t c = 0; c < channels; c += kLane) {
      float half[kWindow][kTile][kLane];  // A^T m, by columns of the window
      for (int64_t column = 0; column < kWindow; ++column) {
        float values[kWindow][kLane];
        for (int64_t row = 0; row < kWindow; ++row) {
          const float* from = m + ((row * kWindow + column) * count + t) * channels + c;
          for (int64_t i = 0; i < kLane; ++i) values[row][i] = from[i];
        }
        transform_output(values, half[column]);
      }
      for (int64_t row = 0; row < kTile && top + row < tiling.height; ++row) {
        float values[kWindow][kLane], whole[kTile][kLane];
        for (int64_t column = 0; column < kWindow; ++column)
          for (int64_t i = 0; i < kLane; ++i) values[column][i] = half[column][row][i];
        transform_output(values, whole);
        for (int64_t column = 0; column < kTile && left + column < tiling.width; ++column) {
          float* to = image + ((top + row) * tiling.width + left + column) * channels + c;
          for (int64_t i = 0; i < kLane; ++i) to[i] = whole[column][i];
        }
      }
    }
  }
}

// G g of three weights.
std::array<double, kWindow> transform_weights(double a, double b, double c) {
  return {
      a / 4, -(a + b + c) / 6, -(a - b + c) / 6, a / 24 + b / 12 + c / 6, a / 24 - b / 12 + c / 6,
      c};
}

thread_local FastConvolutions* fast_convolutions = nullptr;

}  // namespace

at::Tensor winograd_weights(const at::Tensor& weight) {
  const int64_t out = weight.size(0), in = weight.size(1);
  const auto plain = weight.contiguous(at::MemoryFormat::Contiguous);
  const auto transformed = at::empty({kPlaces, in, out}, plain.options());
  const float* g = plain.const_data_ptr<float>();
  float* u = transformed.mutable_data_ptr<float>();
  at::parallel_for(0, in, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t o = 0; o < out; ++o) {
        const float* w = g + (o * in + i) * 9;
        std::array<std::array<double, kWindow>, 3> half;  // of each column of the weights
        for (size_t k = 0; k < 3; ++k) half[k] = transform_weights(w[k], w[k + 3], w[k + 6]);
        for (size_t row = 0; row < kWindow; ++row) {
          const auto whole = transform_weights(half[0][row], half[1][row], half[2][row]);
          for (size_t column = 0; column < kWindow; ++column) {
            const auto place = static_cast<int64_t>(row * kWindow + column);
            u[(place * in + i) * out + o] = static_cast<float>(whole[column]);
          }
        }
      }
    }
  });
  return transformed;
}

bool can_use_winograd(const at::Tensor& x, const at::Tensor& weight) {
  return x.is_cpu() && x.scalar_type() == c10::kFloat && weight.scalar_type() == c10::kFloat &&
         x.dim() == 4 && x.is_contiguous(at::MemoryFormat::ChannelsLast) && weight.size(2) == 3 &&
         weight.size(3) == 3 && weight.size(0) >= 64 && weight.size(0) % kLane == 0 &&
         weight.size(1) >= 64 && weight.size(1) % kLane == 0 && x.size(1) == weight.size(1) &&
         x.size(2) >= kTile && x.size(3) >= kTile;
}

at::Tensor winograd_conv(const at::Tensor& x, const at::Tensor& transformed) {
  const int64_t in = transformed.size(1), out = transformed.size(2);
  UNLAZY_CHECK(x.size(1) == in && x.is_contiguous(at::MemoryFormat::ChannelsLast),
               "winograd: wanted ", in, " channels, channels_last; got ", x.sizes());
  const Tiling from(x.size(2), x.size(3), in), to(x.size(2), x.size(3), out);
  auto y = at::empty({x.size(0), out, x.size(2), x.size(3)},
                     x.options().memory_format(at::MemoryFormat::ChannelsLast));
  const int64_t count = x.size(0) * from.per_image();
  const int64_t blocks = (count + kBlock - 1) / kBlock;
  const float* source = x.const_data_ptr<float>();
  float* target = y.mutable_data_ptr<float>();
  at::parallel_for(0, blocks, 1, [&](int64_t first, int64_t last) {
    const at::NoGradGuard no_grad;
    auto v = at::empty({kPlaces * kBlock * in}, x.options());
    auto m = at::empty({kPlaces * kBlock * out}, x.options());
    for (int64_t block = first; block < last; ++block) {
      const int64_t begin = block * kBlock, size = std::min(kBlock, count - begin);
      auto tiles = v.narrow(0, 0, kPlaces * size * in).view({kPlaces, size, in});
      auto products = m.narrow(0, 0, kPlaces * size * out).view({kPlaces, size, out});
      gather_tiles(source, from, begin, size, tiles.mutable_data_ptr<float>());
      at::bmm_out(products, tiles, transformed);
      scatter_tiles(products.const_data_ptr<float>(), to, begin, size, target);
    }
  });
  return y;
}

FastConvolutions::FastConvolutions() {
  UNLAZY_CHECK(fast_convolutions == nullptr, "winograd: FastConvolutions does not nest");
  fast_convolutions = this;
}
FastConvolutions::~FastConvolutions() { fast_convolutions = nullptr; }

at::Tensor FastConvolutions::conv(const at::Tensor& x, const at::Tensor& weight) {
  auto& known = weights_[weight.const_data_ptr()];
  if (!known.plain.defined()) known = {weight, winograd_weights(weight)};
  return winograd_conv(x, known.transformed);
}

at::Tensor conv2d(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                  int64_t stride, int64_t padding) {
  if (is_dual_at_constants({x, weight, bias})) return dual_conv2d(x, weight, bias, stride, padding);
  const bool is_served = fast_convolutions != nullptr && !at::GradMode::is_enabled() &&
                         plain_operators_level() == 0 && stride == 1 && padding == 1 &&
                         !bias.defined() && can_use_winograd(x, weight);
  return is_served ? fast_convolutions->conv(x, weight)
                   : at::conv2d(x, weight, bias, stride, padding);
}

}  // namespace unlazy::models
