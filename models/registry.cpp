#include <torch/nn/module.h>

#include <algorithm>

#include "core/error.h"
#include "core/names.h"
#include "models/init.h"
#include "models/model.h"

namespace unlazy::models {

MakeModel make_resnet18, make_resnet34, make_resnet20, make_resnet32, make_resnet44, make_resnet56,
    make_vgg, make_mlp;

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
                   {"vgg", "VGG-16 with one linear layer, 14.7M parameters", make_vgg},
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

// For options that did not come through the command line, which checks them itself.
void check_choice(const OptionTable& table, const std::string& name, const std::string& value) {
  std::vector<std::string> known;
  for (const auto& row : table.rows()) {
    if (row.name != name) continue;
    for (const auto& choice : row.choices) known.push_back(choice.name);
  }
  UNLAZY_CHECK_USAGE(std::find(known.begin(), known.end(), value) != known.end(), "--", name,
                     ": there is no '", value, "'; ", suggest(value, known));
}

}  // namespace

std::shared_ptr<Model> make_model(const ModelOptions& options, const InputShape& shape,
                                  uint64_t seed) {
  const auto& entry = registry().find(options.name);
  auto copy = options;
  const auto table = describe(copy);
  check_choice(table, "norm", options.norm);
  check_choice(table, "init", options.init);
  const SeededGenerator seeded(seed);
  auto model = entry.make(options, shape);
  initialize(model->module(), options.init);
  return model;
}

int64_t num_parameters(Model& model) {
  int64_t count = 0;
  for (const auto& parameter : model.module().parameters()) count += parameter.numel();
  return count;
}

}  // namespace unlazy::models
