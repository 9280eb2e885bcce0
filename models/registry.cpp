#include <torch/nn/module.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <type_traits>

#include "core/error.h"
#include "core/names.h"
#include "models/exported/exported_model.h"
#include "models/init.h"
#include "models/model.h"
#include "models/ntk_layers.h"
#include "models/parameters.h"

namespace unlazy::models {

MakeModel make_resnet18, make_resnet34, make_resnet20, make_resnet32, make_resnet44, make_resnet56,
    make_vgg, make_mlp, make_wide_resnet, make_wide_resnet_16_4, make_wide_resnet_16_8,
    make_wide_resnet_28_10, make_wide_resnet_40_2, make_wide_resnet_40_4, make_ntk_wide_resnet;

const Registry<MakeModel>& registry() {
  static const Registry<MakeModel> models(
      "model",
      {
          {"resnet18", "ResNet-18 with the CIFAR stem, 11.2M parameters", make_resnet18},
          {"resnet34", "ResNet-34 with the CIFAR stem, 21.3M parameters", make_resnet34},
          {"resnet20", "the 20-layer CIFAR ResNet of He et al. 2016, 0.27M parameters",
           make_resnet20},
          {"resnet32", "the same with 32 layers, 0.46M parameters", make_resnet32},
          {"resnet44", "the same with 44 layers, 0.66M parameters", make_resnet44},
          {"resnet56", "the same with 56 layers, 0.85M parameters", make_resnet56},
          {"wrn-16-4", "WideResNet of Zagoruyko & Komodakis 2016, 2.7M parameters",
           make_wide_resnet_16_4},
          {"wrn-16-8", "the same, 11.0M parameters", make_wide_resnet_16_8},
          {"wrn-28-10", "the same, 36.5M parameters", make_wide_resnet_28_10},
          {"wrn-40-2", "the same, 2.2M parameters", make_wide_resnet_40_2},
          {"wrn-40-4", "the same, 8.9M parameters", make_wide_resnet_40_4},
          {"wrn", "any WRN-D-K: --blocks (D - 4) / 6 --width-factor K", make_wide_resnet},
          {"ntk-wrn", "the WideResnet of neural-tangents: no normalisation, NTK parameterisation",
           make_ntk_wide_resnet},
          {"vgg", "VGG-16 with one linear layer, 14.7M parameters", make_vgg},
          {"mlp", "fully connected", make_mlp},
      });
  return models;
}

namespace {

std::vector<std::string> names_where(const std::function<bool(const std::string&)>& is_meant) {
  std::vector<std::string> names;
  for (const auto& entry : registry().entries()) {
    if (is_meant(entry.name)) names.push_back(entry.name);
  }
  return names;
}

// "file:PATH" -> PATH; empty for a network of the registry.
constexpr std::string_view kFile = "file";
std::string file_of(const std::string& model) {
  const auto colon = model.find(':');
  if (model.substr(0, colon) != kFile) return {};
  UNLAZY_CHECK_USAGE(colon != std::string::npos && colon + 1 < model.size(),
                     "--model file: name the file, as in --model file:net.pt2");
  return model.substr(colon + 1);
}

std::vector<Choice> model_choices() {
  auto choices = registry().choices();
  choices.push_back({std::string(kFile),
                     "file:PATH.pt2, a network from Python with its weights, as "
                     "tools/python/export_network.py writes it"});
  return choices;
}

bool is_resnet(const std::string& model) { return model.starts_with("resnet"); }

}  // namespace

OptionTable describe(ModelOptions& o) {
  const std::vector<OnlyFor> with_mlp = {{"model", {"mlp"}}},
                             with_wrn = {{"model", {"wrn", "ntk-wrn"}}};
  const std::vector<OnlyFor> with_norm = {{"model", names_where([](const std::string& name) {
                                             return name != "mlp" && name != "ntk-wrn";
                                           })}};
  const std::vector<OnlyFor> when_scaled = {{"parameterization", {"ntk", "standard"}},
                                            {"model", {"ntk-wrn"}}};
  return {"Model",
          {{.name = "model",
            .target = &o.name,
            .help = "The network.",
            .choices = model_choices(),
            .has_settings = true,
            .is_common = true},
           {.name = "model-hash",
            .target = &o.file_hash,
            .help = "SHA-1 of the file of --model file:PATH.pt2; auto: whatever it is now. A run "
                    "keeps that of its start, and refuses another file.",
            .only_for = {{"model", {std::string(kFile)}}}},
           {.name = "norm",
            .target = &o.norm,
            .help = "Normalisation layers.",
            .choices = {{"batch", "BatchNorm"},
                        {"group", "GroupNorm"},
                        {"none", "no normalisation; convolutions get biases"}},
            .only_for = with_norm},
           {.name = "init",
            .target = &o.init,
            .help = "Initialisation.",
            .choices = {{"pytorch",
                         "PyTorch's defaults, the same numbers as torch.manual_seed(seed) gives"},
                        {"kaiming", "convolutions N(0, 2 / fan_out) (He et al. 2015)"}}},
           {.name = "group-norm-groups",
            .target = &o.group_norm_groups,
            .range = Range::at_least(1),
            .help = "Largest number of groups of --norm group.",
            .only_for = {{"norm", {"group"}}}},
           {.name = "hidden-width",
            .target = &o.hidden_width,
            .range = Range::at_least(1),
            .help = "Width of the mlp's layers.",
            .only_for = with_mlp},
           {.name = "hidden-layers",
            .target = &o.hidden_layers,
            .range = Range::at_least(0),
            .help = "Number of hidden layers of the mlp.",
            .only_for = with_mlp},
           {.name = "block-widths",
            .target = &o.block_widths,
            .range = Range::at_least(1),
            .help = "Resnets: number of channels between the two convolutions of each block, as "
                    "left by `unlazy prune --protocol filters`; empty: all.",
            .only_for = {{"model", names_where(is_resnet)}}},
           {.name = "blocks",
            .target = &o.blocks,
            .range = Range::at_least(1),
            .help = "Residual blocks in each of the three groups of wrn and ntk-wrn.",
            .only_for = with_wrn},
           {.name = "width-factor",
            .target = &o.width_factor,
            .range = Range::at_least(1),
            .help = "Width factor of wrn and ntk-wrn: their widths are 16, 32 and 64 times this.",
            .only_for = with_wrn},
           {.name = "activation",
            .target = &o.activation,
            .help = "Activation after each hidden layer of the mlp.",
            .choices = {{"relu", "max(x, 0)"}, {"erf", "the error function"}},
            .only_for = with_mlp},
           {.name = "parameterization",
            .target = &o.parameterization,
            .help = "How weights are drawn and scaled, for ntk-wrn, the mlp, and resnets with "
                    "--norm none.",
            .choices = parameterizations()},
           {.name = "w-std",
            .target = &o.w_std,
            .range = Range::above(0),
            .help = "Standard deviation of the weights times sqrt(fan_in), in the ntk and standard "
                    "parameterisations; sqrt(2) keeps the size of activations constant from layer "
                    "to layer with ReLUs.",
            .only_for = when_scaled},
           {.name = "b-std",
            .target = &o.b_std,
            .range = Range::at_least(0),
            .help = "Standard deviation of the biases in these parameterisations; 0: no biases.",
            .only_for = when_scaled}}};
}

namespace {

// For options that did not come through the command line, which checks them itself.
void check_choice(const Option& row, const std::string& value) {
  std::vector<std::string> known;
  for (const auto& choice : row.choices) known.push_back(choice.name);
  UNLAZY_CHECK_USAGE(known.empty() || std::find(known.begin(), known.end(), value) != known.end(),
                     "--", row.name, ": there is no '", value, "'; ", suggest(value, known));
}

void check_values(const OptionTable& table) {
  for (const auto& row : table.rows()) {
    // The registry's own words are better.
    if (row.name == "model") continue;
    std::visit(
        [&](const auto* target) {
          using T = std::decay_t<decltype(*target)>;
          if constexpr (std::is_same_v<T, std::string>) check_choice(row, *target);
          if constexpr (std::is_same_v<T, int64_t> || std::is_same_v<T, double>)
            UNLAZY_CHECK_USAGE(row.range.contains(static_cast<double>(*target)), "--", row.name,
                               " must be ", row.range.text(), ", got ", *target);
        },
        row.target);
  }
}

// What does not exist. What would only do nothing is found in the command's options.
void check_combination(const ModelOptions& o) {
  const bool is_ntk_wrn = o.name == "ntk-wrn";
  const bool is_scaled = is_ntk_wrn || o.parameterization != "default";
  UNLAZY_CHECK_USAGE(is_resnet(o.name) || is_ntk_wrn || o.name == "mlp" || !is_scaled, o.name,
                     ": has no --parameterization ", o.parameterization,
                     "; ntk-wrn, mlp and the resnets have");
  UNLAZY_CHECK_USAGE(!is_resnet(o.name) || !is_scaled || o.norm == "none", o.name,
                     ": --parameterization ", o.parameterization,
                     " is for networks without normalisation; add --norm none");
  UNLAZY_CHECK_USAGE(!is_scaled || o.init == "pytorch", o.name, ": --init ", o.init,
                     " would replace the weights of its parameterisation; use --w-std");
  UNLAZY_CHECK_USAGE(o.block_widths.empty() || (!is_scaled && !o.name.starts_with("wrn")), o.name,
                     ": --block-widths is for the resnets in PyTorch's parameterisation");
}

std::shared_ptr<Model> from_file(const ModelOptions& options, const std::string& file,
                                 const InputShape& shape) {
  UNLAZY_CHECK_USAGE(options.init == "pytorch", options.name, ": --init ", options.init,
                     " would replace the weights of the file; draw them in Python");
  const auto hash = file_hash(options);
  UNLAZY_CHECK_USAGE(options.file_hash == "auto" || options.file_hash == hash, file,
                     ": is another file than the run began with (SHA-1 ", hash, ", wanted ",
                     options.file_hash, "); put the old one back, or begin a new run");
  return make_exported(file, shape);
}

}  // namespace

std::string short_name(const ModelOptions& options) {
  const auto file = file_of(options.name);
  return file.empty() ? options.name : std::filesystem::path(file).stem().string();
}

std::string file_hash(const ModelOptions& options) {
  const auto file = file_of(options.name);
  return file.empty() ? "auto" : file_sha1(file);
}

std::shared_ptr<Model> make_model(const ModelOptions& options, const InputShape& shape,
                                  uint64_t seed) {
  const auto file = file_of(options.name);
  if (!file.empty()) return from_file(options, file, shape);
  const auto& entry = registry().find(options.name);
  auto copy = options;
  check_values(describe(copy));
  check_combination(options);
  const SeededGenerator seeded(seed);
  auto model = entry.make(options, shape);
  initialize(model->module(), options.init);
  return model;
}

int64_t num_parameters(Model& model) {
  int64_t count = 0;
  for (const auto& [name, parameter] : distinct_parameters(model.module()))
    count += parameter.numel();
  return count;
}

}  // namespace unlazy::models
