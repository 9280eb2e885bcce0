// Convolution and linear layer in the parameterisations of the literature on wide networks, with
// fan_in = inputs x kernel area:
//   ntk        y = w_std / sqrt(fan_in) W x + b_std b,   W, b ~ N(0, 1)
//   standard   y = W x + b,   W ~ N(0, w_std^2 / fan_in), b ~ N(0, b_std^2)
//   pytorch    y = W x + b,   W, b ~ U(-1, 1) / sqrt(fan_in), PyTorch's own default
// ntk and standard draw the same functions. Under gradient descent each layer's learning rate
// differs between them by the square of the scale.
// Jacot et al. 2018; Novak et al. 2020 (neural-tangents, `parameterization` of stax.Conv and
// stax.Dense). Their standard parameterisation also scales by width; ours does not.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <cstdint>
#include <string>

#include "models/model.h"

namespace unlazy::models {

struct Parameterization {
  enum class Kind { kPytorch, kNtk, kStandard };
  Kind kind = Kind::kPytorch;
  double w_std = 1;  // > 0
  double b_std = 0;  // >= 0; 0: no bias. kPytorch has one where it is asked for

  /// The parameterisation that the options ask for; `own` is what "default" means.
  static Parameterization of(const ModelOptions& options, Kind own);
  bool is_pytorch() const { return kind == Kind::kPytorch; }
};

/// The choices of --parameterization.
std::vector<Choice> parameterizations();

/// Zeros around the image. For stride 2 and an even size, kHalf pads both ends and kSame only the
/// far end, so the two look at different pixels.
enum class Padding {
  kHalf,  // kernel / 2 at each end: PyTorch's padding=1 for 3x3
  kSame,  // as many as ceil(size / stride) outputs need, the odd one at the end: "SAME" of XLA,
          // TensorFlow and neural-tangents
};

struct ConvShape {
  int64_t in_channels, out_channels;
  int64_t kernel = 3;  // odd
  int64_t stride = 1;
  Padding padding = Padding::kHalf;
  bool has_bias = false;  // pytorch only; the others go by b_std
};

/// x [B, in, H, W] -> [B, out, H', W']. Parameters `weight` [out, in, k, k] and `bias` [out], drawn
/// in this order from LibTorch's default generator. In the autograd graph, an NTK layer is leaf ->
/// MulBackward1 (a number times the weight) -> Convolution.
class ScaledConv2dImpl : public torch::nn::Module {
 public:
  ScaledConv2dImpl(const ConvShape& shape, const Parameterization& parameterization);
  at::Tensor forward(const at::Tensor& x);

 private:
  ConvShape shape_;
  double weight_scale_, bias_scale_;
  bool is_scaled_;
  at::Tensor weight, bias;
};
TORCH_MODULE(ScaledConv2d);

/// x [B, in] -> [B, out]. Parameters `weight` [out, in] and `bias` [out]; with PyTorch's
/// parameterisation there is always a bias.
class ScaledLinearImpl : public torch::nn::Module {
 public:
  ScaledLinearImpl(int64_t in, int64_t out, const Parameterization& parameterization);
  at::Tensor forward(const at::Tensor& x);

 private:
  double weight_scale_, bias_scale_;
  bool is_scaled_;
  at::Tensor weight, bias;
};
TORCH_MODULE(ScaledLinear);

/// x [B, C, H, W] with the zeros of Padding::kSame.
at::Tensor pad_same(const at::Tensor& x, int64_t kernel, int64_t stride);

}  // namespace unlazy::models
