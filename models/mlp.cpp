// Multi-layer perceptron on the flattened image: hidden_layers times (linear, ReLU or erf), then a
// linear head, in any parameterisation. Names: layers.0, layers.1, ..., linear.
#include <ATen/ops/erf.h>
#include <ATen/ops/relu.h>
#include <torch/nn/modules/container/modulelist.h>

#include "core/error.h"
#include "models/model.h"
#include "models/ntk_layers.h"

namespace unlazy::models {
namespace {

namespace nn = torch::nn;

class Mlp : public nn::Module, public Model {
 public:
  Mlp(const ModelOptions& o, const InputShape& input) : is_erf_(o.activation == "erf") {
    const auto parameterization = Parameterization::of(o, Parameterization::Kind::kPytorch);
    int64_t width = input.channels * input.height * input.width;
    for (int64_t i = 0; i < o.hidden_layers; ++i) {
      layers->push_back(ScaledLinear(width, o.hidden_width, parameterization));
      width = o.hidden_width;
    }
    register_module("layers", layers);
    linear = register_module("linear", ScaledLinear(width, input.num_classes, parameterization));
  }

  at::Tensor forward(const at::Tensor& images) override {
    auto x =
        images.contiguous().flatten(1);  // channel-major, as PyTorch's flatten of an NCHW image
    for (const auto& layer : *layers) {
      const auto y = layer->as<ScaledLinear>()->forward(x);
      x = is_erf_ ? at::erf(y) : at::relu(y);
    }
    return linear->forward(x);
  }
  nn::Module& module() override { return *this; }

 private:
  bool is_erf_;
  nn::ModuleList layers;
  ScaledLinear linear{nullptr};
};

}  // namespace

std::shared_ptr<Model> make_mlp(const ModelOptions& options, const InputShape& input) {
  UNLAZY_CHECK_USAGE(options.norm != "group",
                     "mlp: has no normalisation layers; leave out --norm group");
  return std::make_shared<Mlp>(options, input);
}

}  // namespace unlazy::models
