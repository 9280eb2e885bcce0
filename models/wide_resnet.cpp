// Wide residual networks WRN-D-K for small images (Zagoruyko & Komodakis 2016): three groups of
// n = (D - 4) / 6 pre-activation blocks of widths 16 K, 32 K, 64 K. Where the width changes, a 1x1
// shortcut convolution takes the normalised input, like the main branch. BatchNorm and ReLU come
// before the pooling; there is no dropout. Names of xternalz/WideResNet-pytorch: conv1,
// block1.layer.0.bn1, .conv1, .bn2, .conv2, .convShortcut, bn1, fc.
#include <ATen/TensorOperators.h>
#include <torch/nn/modules/container/sequential.h>

#include <array>
#include <string>

#include "models/model.h"
#include "models/norm.h"
#include "models/ntk_layers.h"

namespace unlazy::models {
namespace {

namespace nn = torch::nn;

ScaledConv2d wide_conv(const ModelOptions& o, int64_t in, int64_t out, int64_t kernel,
                       int64_t stride) {
  return ScaledConv2d(ConvShape{in, out, kernel, stride, Padding::kHalf, o.norm == "none"},
                      Parameterization{});
}

class BlockImpl : public nn::Module {
 public:
  BlockImpl(const ModelOptions& o, int64_t in, int64_t out, int64_t stride) {
    bn1 = register_module("bn1", Norm(o.norm, in, o.group_norm_groups));
    conv1 = register_module("conv1", wide_conv(o, in, out, 3, stride));
    bn2 = register_module("bn2", Norm(o.norm, out, o.group_norm_groups));
    conv2 = register_module("conv2", wide_conv(o, out, out, 3, 1));
    if (in != out) shortcut = register_module("convShortcut", wide_conv(o, in, out, 1, stride));
  }

  at::Tensor forward(const at::Tensor& x) {
    const auto active = bn1->forward(x);
    const auto y = conv2->forward(bn2->forward(conv1->forward(active)));
    return y + (shortcut ? shortcut->forward(active) : x);
  }

 private:
  Norm bn1{nullptr}, bn2{nullptr};
  ScaledConv2d conv1{nullptr}, conv2{nullptr}, shortcut{nullptr};
};
TORCH_MODULE(Block);

// A group of blocks. A module of its own for its name.
class GroupImpl : public nn::Module {
 public:
  GroupImpl(const ModelOptions& o, int64_t in, int64_t out, int64_t stride) {
    for (int64_t i = 0; i < o.blocks; ++i)
      layer->push_back(Block(o, i == 0 ? in : out, out, i == 0 ? stride : 1));
    register_module("layer", layer);
  }
  at::Tensor forward(const at::Tensor& x) { return layer->forward(x); }

 private:
  nn::Sequential layer;
};
TORCH_MODULE(Group);

class WideResNet : public nn::Module, public Model {
 public:
  WideResNet(const ModelOptions& o, const InputShape& input) {
    const int64_t k = o.width_factor;
    conv1 = register_module("conv1", wide_conv(o, input.channels, 16, 3, 1));
    block1 = register_module("block1", Group(o, 16, 16 * k, 1));
    block2 = register_module("block2", Group(o, 16 * k, 32 * k, 2));
    block3 = register_module("block3", Group(o, 32 * k, 64 * k, 2));
    bn1 = register_module("bn1", Norm(o.norm, 64 * k, o.group_norm_groups));
    fc = register_module("fc", ScaledLinear(64 * k, input.num_classes, Parameterization{}));
  }

  at::Tensor forward(const at::Tensor& images) override {
    const auto x = block3->forward(block2->forward(block1->forward(conv1->forward(images))));
    return fc->forward(bn1->forward(x).mean({2, 3}));
  }
  nn::Module& module() override { return *this; }

 private:
  ScaledConv2d conv1{nullptr};
  Group block1{nullptr}, block2{nullptr}, block3{nullptr};
  Norm bn1{nullptr};
  ScaledLinear fc{nullptr};
};

std::shared_ptr<Model> sized(ModelOptions options, const InputShape& input, int64_t depth,
                             int64_t width_factor) {
  options.blocks = (depth - 4) / 6;
  options.width_factor = width_factor;
  return std::make_shared<WideResNet>(options, input);
}

}  // namespace

std::shared_ptr<Model> make_wide_resnet(const ModelOptions& options, const InputShape& input) {
  return std::make_shared<WideResNet>(options, input);
}

#define UNLAZY_WIDE_RESNET(depth, width_factor)                                                 \
  std::shared_ptr<Model> make_wide_resnet_##depth##_##width_factor(const ModelOptions& options, \
                                                                   const InputShape& input) {   \
    return sized(options, input, depth, width_factor);                                          \
  }
UNLAZY_WIDE_RESNET(16, 4)
UNLAZY_WIDE_RESNET(16, 8)
UNLAZY_WIDE_RESNET(28, 10)
UNLAZY_WIDE_RESNET(40, 2)
UNLAZY_WIDE_RESNET(40, 4)
#undef UNLAZY_WIDE_RESNET

}  // namespace unlazy::models
