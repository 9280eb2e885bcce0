// Multi-layer perceptron on the flattened image: hidden_layers times (linear, ReLU), then a linear
// head. Names: layers.0, layers.1, ..., linear.
#include <ATen/ops/relu.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/linear.h>

#include "core/error.h"
#include "models/model.h"

namespace unlazy::models {
namespace {

namespace nn = torch::nn;

class Mlp : public nn::Module, public Model {
 public:
  Mlp(const ModelOptions& o, const InputShape& input) {
    int64_t width = input.channels * input.height * input.width;
    for (int64_t i = 0; i < o.hidden_layers; ++i) {
      layers->push_back(nn::Linear(width, o.hidden_width));
      width = o.hidden_width;
    }
    register_module("layers", layers);
    linear = register_module("linear", nn::Linear(width, input.num_classes));
  }

  at::Tensor forward(const at::Tensor& images) override {
    auto x =
        images.contiguous().flatten(1);  // channel-major, as PyTorch's flatten of an NCHW image
    for (const auto& layer : *layers) x = at::relu(layer->as<nn::Linear>()->forward(x));
    return linear->forward(x);
  }
  nn::Module& module() override { return *this; }

 private:
  nn::ModuleList layers;
  nn::Linear linear{nullptr};
};

}  // namespace

std::shared_ptr<Model> make_mlp(const ModelOptions& options, const InputShape& input) {
  UNLAZY_CHECK_USAGE(options.norm != "group",
                     "mlp: has no normalisation layers; leave out --norm group");
  return std::make_shared<Mlp>(options, input);
}

}  // namespace unlazy::models
