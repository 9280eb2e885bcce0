// The wide residual network of the NTK literature: WideResnet of neural-tangents' README (Novak et
// al. 2020), without normalisation and, by default, without biases. Three groups of n blocks of
// widths 16 k, 32 k, 64 k:
//   block(x) = conv2(relu(conv1(relu(x)))) + s(x)
// In the first block of a group s is a 3x3 convolution of x itself, even if the width does not
// change; in the other blocks s(x) = x. Then come the mean over the final map and a linear head.
// Padding is "SAME": at stride 2 one row and column of zeros at the end only. Parameters are in the
// order of the forward pass: stem; per block conv1, conv2, shortcut; head. Names as in
// wide_resnet.cpp.
#include <ATen/TensorOperators.h>
#include <ATen/ops/relu.h>
#include <torch/nn/modules/container/sequential.h>

#include <string>

#include "core/error.h"
#include "models/dual_layers.h"
#include "models/model.h"
#include "models/ntk_layers.h"

namespace unlazy::models {
namespace {

namespace nn = torch::nn;

ScaledConv2d conv(const Parameterization& p, int64_t in, int64_t out, int64_t stride) {
  return ScaledConv2d(ConvShape{in, out, 3, stride, Padding::kSame}, p);
}

class NtkBlockImpl : public nn::Module {
 public:
  NtkBlockImpl(const Parameterization& p, int64_t in, int64_t out, int64_t stride, bool is_first) {
    conv1 = register_module("conv1", conv(p, in, out, stride));
    conv2 = register_module("conv2", conv(p, out, out, 1));
    if (is_first) shortcut = register_module("convShortcut", conv(p, in, out, stride));
  }

  // In place where no derivative needs what was there: the results of convolutions. Not with
  // forward derivatives, where LibTorch copies what it changes.
  at::Tensor forward(const at::Tensor& x) {
    const auto inner = conv1->forward(at::relu(x));
    const bool is_dual = is_dual_at_constants({inner});
    const auto y = conv2->forward(is_dual ? at::relu(inner) : inner.relu_());
    const auto skipped = shortcut ? shortcut->forward(x) : x;
    return is_dual ? y + skipped : y.add_(skipped);
  }

 private:
  ScaledConv2d conv1{nullptr}, conv2{nullptr}, shortcut{nullptr};
};
TORCH_MODULE(NtkBlock);

class NtkGroupImpl : public nn::Module {
 public:
  NtkGroupImpl(const Parameterization& p, int64_t num_blocks, int64_t in, int64_t out,
               int64_t stride) {
    for (int64_t i = 0; i < num_blocks; ++i)
      layer->push_back(NtkBlock(p, i == 0 ? in : out, out, i == 0 ? stride : 1, i == 0));
    register_module("layer", layer);
  }
  at::Tensor forward(const at::Tensor& x) { return layer->forward(x); }

 private:
  nn::Sequential layer;
};
TORCH_MODULE(NtkGroup);

class NtkWideResNet : public nn::Module, public Model {
 public:
  NtkWideResNet(const ModelOptions& o, const InputShape& input) {
    const auto p = Parameterization::of(o, Parameterization::Kind::kNtk);
    const int64_t k = o.width_factor;
    conv1 = register_module("conv1", conv(p, input.channels, 16, 1));
    block1 = register_module("block1", NtkGroup(p, o.blocks, 16, 16 * k, 1));
    block2 = register_module("block2", NtkGroup(p, o.blocks, 16 * k, 32 * k, 2));
    block3 = register_module("block3", NtkGroup(p, o.blocks, 32 * k, 64 * k, 2));
    fc = register_module("fc", ScaledLinear(64 * k, input.num_classes, p));
  }

  // In channels_last, whatever the images come in: a fifth faster on the CPU, forward and backward.
  at::Tensor forward(const at::Tensor& images) override {
    auto x = conv1->forward(images.contiguous(at::MemoryFormat::ChannelsLast));
    x = block3->forward(block2->forward(block1->forward(x)));
    // The mean over positions, as one over rows of channels_last memory: so its gradient is in that
    // memory too, and with it those of all blocks, which hand it on through their sums.
    return fc->forward(x.permute({0, 2, 3, 1}).flatten(1, 2).mean(1));
  }
  nn::Module& module() override { return *this; }

 private:
  ScaledConv2d conv1{nullptr};
  NtkGroup block1{nullptr}, block2{nullptr}, block3{nullptr};
  ScaledLinear fc{nullptr};
};

}  // namespace

std::shared_ptr<Model> make_ntk_wide_resnet(const ModelOptions& options, const InputShape& input) {
  UNLAZY_CHECK_USAGE(options.norm != "group",
                     "ntk-wrn: has no normalisation layers; leave out --norm group");
  return std::make_shared<NtkWideResNet>(options, input);
}

}  // namespace unlazy::models
