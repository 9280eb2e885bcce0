#include "models/ntk_layers.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>
#include <torch/nn/init.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "models/winograd.h"

namespace unlazy::models {
namespace {

using Kind = Parameterization::Kind;

struct Factors {
  double weight, bias;
};

// What the forward pass multiplies with, and what the draws are multiplied with.
Factors scales(const Parameterization& p, int64_t fan_in) {
  return {p.w_std / std::sqrt(static_cast<double>(fan_in)), p.b_std};
}

// PyTorch's reset_parameters() of convolutions and linear layers: kaiming_uniform_(a = sqrt(5)).
void draw_as_pytorch(at::Tensor& weight, at::Tensor& bias, int64_t fan_in) {
  torch::nn::init::kaiming_uniform_(weight, std::sqrt(5.0));
  if (!bias.defined()) return;
  const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
  torch::nn::init::uniform_(bias, -bound, bound);
}

struct Drawn {
  at::Tensor weight, bias;
};

Drawn draw(at::IntArrayRef shape, bool has_bias, const Parameterization& p) {
  int64_t fan_in = 1;
  for (const int64_t size : shape.slice(1)) fan_in *= size;
  Drawn drawn;
  if (p.is_pytorch()) {
    drawn.weight = at::empty(shape);
    if (has_bias) drawn.bias = at::empty({shape[0]});
    draw_as_pytorch(drawn.weight, drawn.bias, fan_in);
    return drawn;
  }
  drawn.weight = at::randn(shape);
  if (p.b_std > 0) drawn.bias = at::randn({shape[0]});
  if (p.kind == Kind::kStandard) {
    const auto [weight, bias] = scales(p, fan_in);
    drawn.weight.mul_(weight);
    if (drawn.bias.defined()) drawn.bias.mul_(bias);
  }
  return drawn;
}

at::Tensor scaled(const at::Tensor& tensor, double scale, bool is_scaled) {
  return is_scaled && tensor.defined() ? tensor * scale : tensor;
}

}  // namespace

std::vector<Choice> parameterizations() {
  return {{"default", "the network's own: ntk for ntk-wrn, else PyTorch's"},
          {"ntk", "weights N(0, 1), scaled by w-std / sqrt(fan_in) in the forward pass"},
          {"standard", "weights N(0, w-std^2 / fan_in)"}};
}

Parameterization Parameterization::of(const ModelOptions& options, Kind own) {
  Parameterization p{own, options.w_std, options.b_std};
  if (options.parameterization == "ntk") p.kind = Kind::kNtk;
  if (options.parameterization == "standard") p.kind = Kind::kStandard;
  return p;
}

at::Tensor pad_same(const at::Tensor& x, int64_t kernel, int64_t stride) {
  const auto total = [&](int64_t size) {
    return std::max<int64_t>(((size + stride - 1) / stride - 1) * stride + kernel - size, 0);
  };
  const int64_t rows = total(x.size(2)), columns = total(x.size(3));
  if (rows == 0 && columns == 0) return x;
  return at::constant_pad_nd(x, {columns / 2, columns - columns / 2, rows / 2, rows - rows / 2});
}

ScaledConv2dImpl::ScaledConv2dImpl(const ConvShape& shape, const Parameterization& p)
    : shape_(shape), is_scaled_(p.kind == Kind::kNtk) {
  const auto [weight_scale, bias_scale] =
      scales(p, shape.in_channels * shape.kernel * shape.kernel);
  weight_scale_ = weight_scale;
  bias_scale_ = bias_scale;
  const auto drawn =
      draw({shape.out_channels, shape.in_channels, shape.kernel, shape.kernel}, shape.has_bias, p);
  weight = register_parameter("weight", drawn.weight);
  if (drawn.bias.defined()) bias = register_parameter("bias", drawn.bias);
}

at::Tensor ScaledConv2dImpl::forward(const at::Tensor& x) {
  const auto w = scaled(weight, weight_scale_, is_scaled_);
  const auto b = scaled(bias, bias_scale_, is_scaled_);
  const int64_t half = shape_.kernel / 2;
  // At stride 1 the two paddings are one, and the convolution does it without a copy.
  if (shape_.padding == Padding::kHalf || shape_.stride == 1)
    return conv2d(x, w, b, shape_.stride, half);
  return conv2d(pad_same(x, shape_.kernel, shape_.stride), w, b, shape_.stride, 0);
}

ScaledLinearImpl::ScaledLinearImpl(int64_t in, int64_t out, const Parameterization& p)
    : is_scaled_(p.kind == Kind::kNtk) {
  const auto [weight_scale, bias_scale] = scales(p, in);
  weight_scale_ = weight_scale;
  bias_scale_ = bias_scale;
  const auto drawn = draw({out, in}, /*has_bias=*/true, p);
  weight = register_parameter("weight", drawn.weight);
  if (drawn.bias.defined()) bias = register_parameter("bias", drawn.bias);
}

at::Tensor ScaledLinearImpl::forward(const at::Tensor& x) {
  return at::linear(x, scaled(weight, weight_scale_, is_scaled_),
                    scaled(bias, bias_scale_, is_scaled_));
}

}  // namespace unlazy::models
