// Residual networks for 32 x 32 images.
//   resnet18, resnet34    He et al. 2016 with the CIFAR stem (3x3, stride 1, no pooling), widths 64
//                         to 512, projection shortcuts. Module names of the usual Python
//                         implementation: conv1, bn1, layer1.0.conv1, layer2.0.shortcut.0, linear.
//   resnet20, 32, 44, 56  section 4.2 of the paper: widths 16, 32, 64, and shortcuts without
//                         parameters (option A: every second pixel, new channels zero)
// Without normalisation they also exist in the NTK and the standard parameterisation, as the same
// function of the scaled weights.
#include <ATen/TensorOperators.h>
#include <ATen/ops/constant_pad_nd.h>
#include <torch/nn/modules/container/sequential.h>

#include <numeric>

#include "core/error.h"
#include "models/model.h"
#include "models/norm.h"
#include "models/ntk_layers.h"

namespace unlazy::models {
namespace {

namespace nn = torch::nn;

Parameterization parameterization_of(const ModelOptions& o) {
  return Parameterization::of(o, Parameterization::Kind::kPytorch);
}

ScaledConv2d conv(const ModelOptions& o, int64_t in, int64_t out, int64_t kernel, int64_t stride) {
  return ScaledConv2d(
      ConvShape{in, out, kernel, stride, Padding::kHalf, /*has_bias=*/o.norm == "none"},
      parameterization_of(o));
}

struct Shape {
  std::vector<int64_t> blocks;  // of each group
  std::vector<int64_t> widths;
  bool has_projection;
};

class BasicBlockImpl : public nn::Module {
 public:
  // `inner`: channels between the two convolutions.
  BasicBlockImpl(const ModelOptions& o, int64_t in, int64_t inner, int64_t out, int64_t stride,
                 bool has_projection)
      : stride_(stride), new_channels_(out - in) {
    conv1 = register_module("conv1", conv(o, in, inner, 3, stride));
    bn1 = register_module("bn1", Norm(o.norm, inner, o.group_norm_groups));
    conv2 = register_module("conv2", conv(o, inner, out, 3, 1));
    bn2 = register_module("bn2", Norm(o.norm, out, o.group_norm_groups));
    if (has_projection && (stride != 1 || in != out)) {
      shortcut_conv = conv(o, in, out, 1, stride);
      shortcut_norm = Norm(o.norm, out, o.group_norm_groups);
      shortcut = register_module("shortcut", nn::Sequential(shortcut_conv, shortcut_norm));
    }
  }

  at::Tensor forward(const at::Tensor& x) {
    const auto y = bn1->forward(conv1->forward(x));
    return bn2->forward(conv2->forward(y), shortcut_of(x));
  }

 private:
  at::Tensor shortcut_of(const at::Tensor& x) {
    if (shortcut_conv) return shortcut_norm->forward(shortcut_conv->forward(x), {}, /*relu=*/false);
    if (stride_ == 1 && new_channels_ == 0) return x;
    const auto seen = x.slice(2, 0, c10::nullopt, stride_).slice(3, 0, c10::nullopt, stride_);
    return at::constant_pad_nd(seen,
                               {0, 0, 0, 0, new_channels_ / 2, new_channels_ - new_channels_ / 2})
        .contiguous(at::MemoryFormat::ChannelsLast);
  }

  int64_t stride_, new_channels_;
  ScaledConv2d conv1{nullptr}, conv2{nullptr}, shortcut_conv{nullptr};
  Norm bn1{nullptr}, bn2{nullptr}, shortcut_norm{nullptr};
  nn::Sequential shortcut{nullptr};
};
TORCH_MODULE(BasicBlock);

class ResNet : public nn::Module, public Model {
 public:
  ResNet(const ModelOptions& o, const InputShape& input, const Shape& shape) {
    int64_t width = shape.widths[0];
    size_t block = 0;
    const int64_t num_blocks =
        std::accumulate(shape.blocks.begin(), shape.blocks.end(), int64_t{0});
    UNLAZY_CHECK_USAGE(
        o.block_widths.empty() || static_cast<int64_t>(o.block_widths.size()) == num_blocks, o.name,
        ": --block-widths wants ", num_blocks, " numbers, one a block, got ",
        o.block_widths.size());
    conv1 = register_module("conv1", conv(o, input.channels, width, 3, 1));
    bn1 = register_module("bn1", Norm(o.norm, width, o.group_norm_groups));
    for (size_t group = 0; group < shape.blocks.size(); ++group) {
      nn::Sequential blocks;
      for (int64_t i = 0; i < shape.blocks[group]; ++i) {
        const int64_t stride = group > 0 && i == 0 ? 2 : 1;
        const int64_t out = shape.widths[group];
        const int64_t inner = o.block_widths.empty() ? out : o.block_widths.at(block++);
        blocks->push_back(BasicBlock(o, width, inner, out, stride, shape.has_projection));
        width = shape.widths[group];
      }
      layers_.push_back(register_module("layer" + std::to_string(group + 1), blocks));
    }
    linear =
        register_module("linear", ScaledLinear(width, input.num_classes, parameterization_of(o)));
  }

  at::Tensor forward(const at::Tensor& images) override {
    auto x = bn1->forward(conv1->forward(images));
    for (auto& layer : layers_) x = layer->forward(x);
    return linear->forward(x.mean({2, 3}));
  }
  nn::Module& module() override { return *this; }

 private:
  ScaledConv2d conv1{nullptr};
  Norm bn1{nullptr};
  std::vector<nn::Sequential> layers_;
  ScaledLinear linear{nullptr};
};

Shape wide(std::vector<int64_t> blocks) { return {std::move(blocks), {64, 128, 256, 512}, true}; }
Shape narrow(int64_t blocks) { return {{blocks, blocks, blocks}, {16, 32, 64}, false}; }

}  // namespace

#define UNLAZY_RESNET(name, shape)                                                           \
  std::shared_ptr<Model> make_##name(const ModelOptions& options, const InputShape& input) { \
    return std::make_shared<ResNet>(options, input, shape);                                  \
  }
UNLAZY_RESNET(resnet18, wide({2, 2, 2, 2}))
UNLAZY_RESNET(resnet34, wide({3, 4, 6, 3}))
UNLAZY_RESNET(resnet20, narrow(3))
UNLAZY_RESNET(resnet32, narrow(5))
UNLAZY_RESNET(resnet44, narrow(7))
UNLAZY_RESNET(resnet56, narrow(9))
#undef UNLAZY_RESNET

}  // namespace unlazy::models
