#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>
#include <torch/nn/init.h>
#include <torch/nn/module.h>

#include <mutex>

#include "models/model.h"

namespace unlazy::models {

MakeModel make_resnet18, make_resnet34, make_resnet20, make_resnet32, make_resnet44, make_resnet56,
    make_mlp;

const Registry<MakeModel>& registry() {
  static const Registry<MakeModel> models(
      "model", {
                   {"resnet18", "ResNet-18 with the CIFAR stem, 11.2M parameters", make_resnet18},
                   {"resnet34", "ResNet-34 with the CIFAR stem, 21.3M parameters", make_resnet34},
                   {"resnet20", "the 20-layer CIFAR ResNet of He et al. 2016, 0.27M parameters",
                    make_resnet20},
                   {"resnet32", "the same with 32 layers, 0.46M parameters", make_resnet32},
                   {"resnet44", "the same with 44 layers, 0.66M parameters", make_resnet44},
                   {"resnet56", "the same with 56 layers, 0.85M parameters", make_resnet56},
                   {"mlp", "fully connected, ReLU", make_mlp},
               });
  return models;
}

OptionTable describe(ModelOptions& o) {
  return {"Model",
          {{.name = "model",
            .target = &o.name,
            .help = "The network.",
            .choices = registry().choices()},
           {.name = "norm",
            .target = &o.norm,
            .help = "Normalisation layers.",
            .choices = {{"batch", "BatchNorm"},
                        {"group", "GroupNorm"},
                        {"none", "none; convolutions get biases"}}},
           {.name = "init",
            .target = &o.init,
            .help = "Initialisation.",
            .choices = {{"pytorch",
                         "PyTorch's defaults, the same numbers as torch.manual_seed(seed) gives"},
                        {"kaiming", "convolutions N(0, 2 / fan_out) (He et al. 2015)"}}},
           {.name = "group-norm-groups",
            .target = &o.group_norm_groups,
            .range = Range::at_least(1),
            .help = "Groups of --norm group, at most."},
           {.name = "hidden-width",
            .target = &o.hidden_width,
            .range = Range::at_least(1),
            .help = "Width of the mlp's layers."},
           {.name = "hidden-layers",
            .target = &o.hidden_layers,
            .range = Range::at_least(0),
            .help = "Number of hidden layers of the mlp."},
           {.name = "block-widths",
            .target = &o.block_widths,
            .range = Range::at_least(1),
            .help = "Resnets: channels between the two convolutions of each block, as "
                    "`unlazy prune --protocol filters` leaves them; empty: all."}}};
}

namespace {

// PyTorch's modules draw from the default generator; it is seeded for the time of building and then
// put back.
class SeededGenerator {
 public:
  explicit SeededGenerator(uint64_t seed)
      : generator_(at::detail::getDefaultCPUGenerator()), lock_(generator_.mutex()) {
    before_ = generator_.get_state();
    generator_.set_current_seed(seed);
    lock_.unlock();  // the modules take it themselves
  }
  ~SeededGenerator() {
    const std::lock_guard lock(generator_.mutex());
    generator_.set_state(before_);
  }
  SeededGenerator(const SeededGenerator&) = delete;
  SeededGenerator& operator=(const SeededGenerator&) = delete;

 private:
  at::Generator generator_;
  std::unique_lock<std::mutex> lock_;
  at::Tensor before_;
};

void initialize_kaiming(torch::nn::Module& module) {
  at::NoGradGuard no_grad;
  for (const auto& item : module.named_parameters()) {
    auto parameter = item.value();
    if (parameter.dim() == 4)
      torch::nn::init::kaiming_normal_(parameter, 0, torch::kFanOut, torch::kReLU);
  }
}

}  // namespace

std::shared_ptr<Model> make_model(const ModelOptions& options, const InputShape& shape,
                                  uint64_t seed) {
  const auto& entry = registry().find(options.name);
  const SeededGenerator seeded(seed);
  auto model = entry.make(options, shape);
  if (options.init == "kaiming") initialize_kaiming(model->module());
  return model;
}

int64_t num_parameters(Model& model) {
  int64_t count = 0;
  for (const auto& parameter : model.module().parameters()) count += parameter.numel();
  return count;
}

}  // namespace unlazy::models
