// 3 x 3 convolutions with a quarter of the multiplications, for evaluation in fp32 on a CPU.
//   y = A^T [ (G g G^T) * (B^T d B) ] A     for each tile of 4 x 4 outputs, d its 6 x 6 inputs
// This is F(4 x 4, 3 x 3) of Lavin and Gray 2016 ("Fast Algorithms for Convolutional Neural
// Networks", section 4): 36 products per tile and pair of channels instead of 144, done as matrix
// products over channels. Rounding errors are some tens of times those of the direct sum: about
// 1e-5 of the largest output. Not differentiable. bf16 is not supported, since its rounding errors
// would grow too large.
#pragma once

#include <ATen/core/Tensor.h>
#include <cstdint>
#include <unordered_map>

namespace unlazy::models {

/// The transformed weights G g G^T, [36, C_in, C_out], of weights [C_out, C_in, 3, 3].
at::Tensor winograd_weights(const at::Tensor& weight);

/// Does winograd_conv() support this, and is it likely faster? CPU, Float, channels_last, 3 x 3
/// weights, at least 64 channels in and out and a multiple of 16, images of at least 4 x 4.
bool can_use_winograd(const at::Tensor& x, const at::Tensor& weight);

/// The convolution of x [B, C_in, H, W] with stride 1, padding 1 and no bias:
/// [B, C_out, H, W], channels_last. `transformed` comes from winograd_weights().
at::Tensor winograd_conv(const at::Tensor& x, const at::Tensor& transformed);

/// While one of these lives, convolutions of this thread that record no gradients use
/// winograd_conv() where it applies. Weights are transformed once, so they must not change
/// meanwhile. Cannot be nested.
class FastConvolutions {
 public:
  FastConvolutions();
  ~FastConvolutions();
  FastConvolutions(const FastConvolutions&) = delete;
  FastConvolutions& operator=(const FastConvolutions&) = delete;

 private:
  friend at::Tensor conv2d(const at::Tensor&, const at::Tensor&, const at::Tensor&, int64_t,
                           int64_t);
  at::Tensor conv(const at::Tensor& x, const at::Tensor& weight);

  struct Weights {
    at::Tensor plain, transformed;  // plain: holds the address
  };
  std::unordered_map<const void*, Weights> weights_;  // by the address of the weights
};

/// at::conv2d, or what FastConvolutions puts in its place. Networks call this one.
at::Tensor conv2d(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                  int64_t stride, int64_t padding);

}  // namespace unlazy::models
