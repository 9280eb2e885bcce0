// Weights in files with their exact complaints, the generator that initialises, options that do not
// exist, and the states of the normalisation layers.
#include "models/model.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/nn/module.h>

#include <cmath>
#include <string>
#include <utility>

#include "core/safetensors.h"
#include "models/frozen_statistics.h"
#include "models/init.h"
#include "models/norm.h"
#include "models/weights.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"

namespace unlazy {
namespace {

using models::ModelOptions;
using testing::expect_error;
using testing::expect_misuse;
using testing::ScratchFolder;

std::shared_ptr<models::Model> small_mlp() {
  ModelOptions options;
  options.name = "mlp";
  options.hidden_width = 4;
  options.hidden_layers = 1;
  return models::make_model(options, {.channels = 1, .height = 2, .width = 2, .num_classes = 3}, 0);
}

TEST(ModelWeights, FileHasPythonsNamesDtypesAndMetadata) {
  const ScratchFolder scratch;
  ModelOptions options;
  options.name = "resnet20";
  const auto model = models::make_model(options, {}, 0);
  model->module().to(at::kDouble);
  model->module().to(at::kFloat);
  models::save_weights(*model, "resnet20", scratch / "w.safetensors");
  const auto file = load_tensors(scratch / "w.safetensors");
  EXPECT_EQ(file.metadata.at("model"), "resnet20");
  EXPECT_EQ(file.metadata.at("format"), "pt");
  EXPECT_EQ(file.at("layer2.0.conv1.weight").sizes().vec(), (std::vector<int64_t>{32, 16, 3, 3}));
  EXPECT_EQ(file.at("layer2.0.bn1.running_var").scalar_type(), at::kFloat);
  EXPECT_EQ(file.at("bn1.num_batches_tracked").scalar_type(), at::kLong);
  EXPECT_EQ(file.at("bn1.num_batches_tracked").dim(), 0);
}

TEST(ModelWeights, ChannelsLastWeightsTravelBothWays) {
  const ScratchFolder scratch;
  const auto path = scratch / "w.safetensors";
  ModelOptions options;
  options.name = "resnet20";
  const auto written = models::make_model(options, {}, 0);
  const auto read = models::make_model(options, {}, 1);
  for (const auto& model : {written, read}) {
    for (auto& parameter : model->module().parameters()) {
      if (parameter.dim() != 4) continue;
      parameter.set_data(parameter.data().contiguous(at::MemoryFormat::ChannelsLast));
    }
  }
  models::save_weights(*written, "resnet20", path);
  models::load_weights(*read, path);
  const auto wanted = models::named_tensors(*written), found = models::named_tensors(*read);
  const auto file = load_tensors(path);
  for (size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_TRUE(at::equal(found[i].second, wanted[i].second)) << wanted[i].first;
    EXPECT_TRUE(at::equal(file.at(wanted[i].first), wanted[i].second)) << wanted[i].first;
  }
  EXPECT_TRUE(found[0].second.is_contiguous(at::MemoryFormat::ChannelsLast));
}

TEST(ModelWeights, SaysWhatDoesNotFitAndCopiesNothing) {
  const ScratchFolder scratch;
  const auto path = scratch / "w.safetensors";
  const auto model = small_mlp();
  const auto before = model->module().parameters()[0].detach().clone();
  save_tensors(path, {{{"layers.0.weight", at::zeros({4, 4})},
                       {"layers.0.bias", at::zeros({5})},
                       {"linear.weight", at::zeros({3, 4})},
                       {"fc.bias", at::zeros({3})}},
                      {{"model", "resnet18"}}});
  expect_error([&] { models::load_weights(*model, path); },
               path +
                   ": does not fit the network; missing: linear.bias; unexpected: fc.bias; of "
                   "another shape: layers.0.bias ([5] in the file, [4] wanted); the file is for "
                   "model 'resnet18'");
  EXPECT_TRUE(at::equal(model->module().parameters()[0], before));
}

TEST(ModelWeights, LongListsAreShortened) {
  const ScratchFolder scratch;
  const auto path = scratch / "w.safetensors";
  save_tensors(path, {});
  expect_error([&] { models::load_weights(*small_mlp(), path); },
               path +
                   ": does not fit the network; missing: layers.0.weight, layers.0.bias, "
                   "linear.weight and 1 more");
}

TEST(ModelInit, DefaultGeneratorIsLeftAsFound) {
  const models::SeededGenerator outer(11);
  const auto expected = at::rand({3});
  const models::SeededGenerator again(11);
  small_mlp();
  EXPECT_TRUE(at::equal(at::rand({3}), expected));
}

TEST(ModelInit, KaimingDrawsByFanOutAndLeavesTheRest) {
  ModelOptions options;
  options.name = "resnet18";
  const auto plain = models::make_model(options, {}, 0);
  options.init = "kaiming";
  const auto model = models::make_model(options, {}, 0);
  const auto of_plain = plain->module().named_parameters();
  for (const auto& item : model->module().named_parameters()) {
    const auto& w = item.value();
    if (w.dim() != 4) {
      EXPECT_TRUE(at::equal(w, of_plain[item.key()])) << item.key();
      continue;
    }
    const auto fan_out = static_cast<double>(w.size(0) * w.size(2) * w.size(3));
    const auto n = static_cast<double>(w.numel());
    const double wanted = std::sqrt(2 / fan_out);
    // Standard errors of the mean and of the standard deviation of n normal draws; five of them for
    // 40 tensors.
    EXPECT_NEAR(w.mean().item<double>(), 0, 5 * wanted / std::sqrt(n)) << item.key();
    EXPECT_NEAR(w.std().item<double>(), wanted, 5 * wanted / std::sqrt(2 * n)) << item.key();
  }
}

TEST(ModelOptionsTest, RefusesWhatDoesNotExist) {
  const auto refuse = [](const ModelOptions& options, const models::InputShape& shape,
                         const std::string& text) {
    expect_misuse([&] { models::make_model(options, shape, 0); }, text);
  };
  refuse({.name = "resnet19"}, {}, "model: there is no 'resnet19'; did you mean 'resnet18'?");
  refuse({.norm = "layer"}, {}, "--norm: there is no 'layer'; known: batch, group, none");
  refuse({.init = "kaming"}, {}, "--init: there is no 'kaming'; did you mean 'kaiming'?");
  refuse({.name = "mlp", .norm = "group"}, {},
         "mlp: has no normalisation layers; leave out --norm group");
  refuse({.name = "vgg"}, {.height = 28, .width = 28},
         "vgg: needs images of at least 32 x 32, got 28 x 28; use --resize 32 or another --model");
}

TEST(ModelOptionsTest, RefusesCombinationsThatDoNotExist) {
  const auto refuse = [](const ModelOptions& options, const std::string& text) {
    expect_misuse([&] { models::make_model(options, {}, 0); }, text);
  };
  refuse({.name = "ntk-wrn", .blocks = 0}, "--blocks must be >= 1, got 0");
  refuse({.name = "mlp", .activation = "tanh"},
         "--activation: there is no 'tanh'; known: relu, erf");
  refuse({.name = "vgg", .parameterization = "ntk"},
         "vgg: has no --parameterization ntk; ntk-wrn, mlp and the resnets have");
  refuse({.name = "wrn", .parameterization = "standard"},
         "wrn: has no --parameterization standard; ntk-wrn, mlp and the resnets have");
  refuse({.parameterization = "ntk"},
         "resnet18: --parameterization ntk is for networks without normalisation; add --norm none");
  refuse({.name = "ntk-wrn", .w_std = 0}, "--w-std must be > 0, got 0");
  refuse({.name = "ntk-wrn", .init = "kaiming"},
         "ntk-wrn: --init kaiming would replace the weights of its parameterisation; use --w-std");
  refuse({.name = "ntk-wrn", .norm = "group"},
         "ntk-wrn: has no normalisation layers; leave out --norm group");
  refuse({.name = "wrn-16-4", .block_widths = {8}},
         "wrn-16-4: --block-widths is for the resnets in PyTorch's parameterisation");
}

TEST(ModelOptionsTest, OptionsOfOtherNetworksAreRefused) {
  const auto refuse = [](const std::vector<std::string>& flags, const std::string& text) {
    ModelOptions options;
    Options table("train", {models::describe(options)});
    table.parse(flags);
    expect_misuse([&] { table.refuse_without_effect(); }, text);
  };
  const std::string mlp = "; leave it out, or give --model mlp",
                    wrn = "; leave it out, or give --model wrn, ntk-wrn";
  refuse({"--model", "vgg", "--hidden-width", "512"},
         "--hidden-width 512 has no effect with --model vgg" + mlp);
  refuse({"--hidden-layers", "3"}, "--hidden-layers 3 has no effect with --model resnet18" + mlp);
  refuse({"--activation", "erf"}, "--activation erf has no effect with --model resnet18" + mlp);
  refuse({"--model", "wrn-28-10", "--width-factor", "2"},
         "--width-factor 2 has no effect with --model wrn-28-10" + wrn);
  refuse({"--model", "mlp", "--blocks", "2"}, "--blocks 2 has no effect with --model mlp" + wrn);
  refuse({"--group-norm-groups", "8"},
         "--group-norm-groups 8 has no effect with --norm batch; leave it out, or give --norm "
         "group");
  refuse({"--model", "mlp", "--w-std", "2"},
         "--w-std 2 has no effect with --model mlp; leave it out, or give --parameterization ntk, "
         "standard or --model ntk-wrn");
  refuse({"--model", "mlp", "--block-widths", "8"},
         "--block-widths 8 has no effect with --model mlp; leave it out, or give --model resnet18, "
         "resnet34, resnet20, resnet32, resnet44, resnet56");
  ModelOptions options;
  Options table("train", {models::describe(options)});
  table.parse({"--model", "MLP", "--norm", "batch"});
  EXPECT_EQ(options.name, "mlp");
  EXPECT_THROW(table.refuse_without_effect(), Error);  // it has no BatchNorm
}

TEST(ModelNorm, OtherNormsHaveTheirParameters) {
  ModelOptions options;
  options.name = "resnet20";
  const auto state = [&](const std::string& norm) {
    options.norm = norm;
    const auto model = models::make_model(options, {}, 0);
    return std::pair(models::num_parameters(*model), model->module().buffers().size());
  };
  const int64_t norms = 2 * (7 * 16 + 6 * 32 + 6 * 64);  // scale and shift of 19 layers
  EXPECT_EQ(state("batch"), std::pair(int64_t{269'722}, size_t{3 * 19}));
  EXPECT_EQ(state("group"), std::pair(int64_t{269'722}, size_t{0}));
  EXPECT_EQ(state("none"), std::pair(269'722 - norms / 2, size_t{0}));  // a bias a channel instead
}

TEST(ModelNorm, GroupsDivideTheChannels) {
  for (const auto& [channels, limit] : {std::pair(48, 32), std::pair(16, 32), std::pair(7, 3)}) {
    models::Norm norm("group", channels, limit);
    EXPECT_EQ(norm->forward(at::ones({2, channels, 3, 3})).size(1), channels);
  }
}

// The residual is added before the ReLU, and the ReLU can be left out: against arithmetic on two
// channels.
TEST(ModelNorm, ReluOfNormPlusResidual) {
  models::Norm norm("batch", 2, 1);
  norm->to(at::kDouble);
  norm->eval();
  const at::NoGradGuard no_grad;
  const auto x = at::ones({1, 2, 1, 1}, at::kDouble) * 3;
  const auto residual = at::ones({1, 2, 1, 1}, at::kDouble) * -4;
  const double normed = 3 / std::sqrt(1 + 1e-5);
  EXPECT_NEAR(norm->forward(x, {}, false).max().item<double>(), normed, 1e-12);
  EXPECT_NEAR(norm->forward(x, residual, false).max().item<double>(), normed - 4, 1e-12);
  EXPECT_EQ(norm->forward(x, residual, true).max().item<double>(), 0);
  EXPECT_NEAR(norm->forward(x, -residual).max().item<double>(), normed + 4, 1e-12);
}

// In both layouts, that is with the plain operators and with the fused kernel.
TEST(ModelNorm, FrozenStatisticsOfAWholeNetworkDoNotMove) {
  ModelOptions options;
  options.name = "resnet20";
  const auto model = models::make_model(options, {}, 0);
  const auto images = at::rand({4, 3, 32, 32});
  const at::NoGradGuard no_grad;
  const auto snapshot = [&] {
    std::vector<at::Tensor> copy;
    for (const auto& buffer : model->module().buffers()) copy.push_back(buffer.clone());
    return copy;
  };
  for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    for (auto& parameter : model->module().parameters()) {
      if (parameter.dim() == 4) parameter.set_data(parameter.data().contiguous(format));
    }
    const auto x = images.contiguous(format);
    const auto before = snapshot();
    at::Tensor frozen;
    {
      const models::FrozenStatistics guard(model->module());
      frozen = model->forward(x);
    }
    const auto after = snapshot();
    for (size_t i = 0; i < before.size(); ++i) EXPECT_TRUE(at::equal(before[i], after[i]));
    EXPECT_TRUE(at::equal(frozen, model->forward(x))) << "batch statistics in both";
    EXPECT_FALSE(at::equal(snapshot()[0], before[0])) << "the guard is gone, statistics move";
  }
}

TEST(ModelNorm, FusedKernelRefusesSecondDerivatives) {
  models::Norm norm("batch", 2, 1);
  const auto x = at::rand({2, 2, 4, 4}).contiguous(at::MemoryFormat::ChannelsLast).requires_grad_();
  const auto second = [&] {
    const auto y = norm->forward(x).pow(2).sum();
    const auto g =
        torch::autograd::grad({y}, {x}, {}, /*retain_graph=*/true, /*create_graph=*/true);
    return torch::autograd::grad({g[0].pow(2).sum()}, {x})[0];
  };
  expect_error(second,
               "fused norm: cannot be differentiated twice; hold models::PlainOperators during the "
               "forward pass");
  const models::PlainOperators plain;
  EXPECT_GT(second().abs().max().item<double>(), 0);
}

}  // namespace
}  // namespace unlazy
