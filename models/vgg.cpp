// VGG-16 for small images (Simonyan & Zisserman 2015, configuration D): thirteen 3x3 convolutions
// in five stages, each stage ending in 2x2 max pooling, then one linear layer in place of the
// paper's three. Names of the usual Python implementation: features.N with N counting convolution,
// normalisation, ReLU and pooling, then classifier. Convolutions have biases, as there. Larger
// images than 32 x 32 are averaged before the classifier.
#include <ATen/ops/max_pool2d.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <array>
#include <string>
#include <vector>

#include "core/error.h"
#include "models/model.h"
#include "models/norm.h"

namespace unlazy::models {
namespace {

namespace nn = torch::nn;

struct Stage {
  int64_t num_convolutions;
  int64_t width;
};
constexpr std::array<Stage, 5> kStages{{{2, 64}, {2, 128}, {3, 256}, {3, 512}, {3, 512}}};
constexpr int64_t kReduction = 32;  // two to the number of stages

// The convolutional part. A module of its own for its name.
class FeaturesImpl : public nn::Module {
 public:
  FeaturesImpl(const ModelOptions& o, int64_t channels) {
    int64_t index = 0;
    for (const auto& stage : kStages) {
      for (int64_t i = 0; i < stage.num_convolutions; ++i) {
        const auto shape = nn::Conv2dOptions(channels, stage.width, 3).padding(1);
        convolutions_.push_back(register_module(std::to_string(index++), nn::Conv2d(shape)));
        // Without normalisation Python's list holds no layer in its place; a layer without
        // parameters may have any name.
        const std::string name =
            o.norm == "none" ? "none" + std::to_string(index) : std::to_string(index++);
        norms_.push_back(register_module(name, Norm(o.norm, stage.width, o.group_norm_groups)));
        ++index;  // ReLU
        channels = stage.width;
      }
      ++index;  // pooling
    }
  }

  at::Tensor forward(at::Tensor x) {
    size_t layer = 0;
    for (const auto& stage : kStages) {
      for (int64_t i = 0; i < stage.num_convolutions; ++i, ++layer) {
        x = norms_[layer]->forward(convolutions_[layer]->forward(x));
      }
      x = at::max_pool2d(x, {2, 2}, {2, 2});
    }
    return x;  // [B, 512, H / 32, W / 32]
  }

 private:
  std::vector<nn::Conv2d> convolutions_;
  std::vector<Norm> norms_;
};
TORCH_MODULE(Features);

class Vgg : public nn::Module, public Model {
 public:
  Vgg(const ModelOptions& o, const InputShape& input) {
    features = register_module("features", Features(o, input.channels));
    classifier = register_module("classifier", nn::Linear(kStages.back().width, input.num_classes));
  }

  at::Tensor forward(const at::Tensor& images) override {
    return classifier->forward(features->forward(images).mean({2, 3}));
  }
  nn::Module& module() override { return *this; }

 private:
  Features features{nullptr};
  nn::Linear classifier{nullptr};
};

}  // namespace

std::shared_ptr<Model> make_vgg(const ModelOptions& options, const InputShape& input) {
  UNLAZY_CHECK_USAGE(input.height >= kReduction && input.width >= kReduction,
                     "vgg: needs images of at least 32 x 32, got ", input.height, " x ",
                     input.width, "; use --resize 32 or another --model");
  return std::make_shared<Vgg>(options, input);
}

}  // namespace unlazy::models
