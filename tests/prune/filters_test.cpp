// Removed filters: the smaller network computes what the network with those filters at 0 does.
#include "prune/filters.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/randn_like.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "models/model.h"
#include "models/weights.h"
#include "support/expect_error.h"

namespace unlazy {
namespace {

using prune::NamedTensors;

// A network as after training: scales, shifts and statistics are no longer 1 and 0.
NamedTensors trained_tensors(models::Model& model) {
  const at::NoGradGuard no_grad;
  auto tensors = models::named_tensors(model);
  for (auto& [name, tensor] : tensors) {
    if (tensor.dim() != 1) continue;
    tensor.copy_(at::randn_like(tensor) * 0.3 + (name.find("var") != std::string::npos ? 2 : 0.5));
    if (name.find("running_var") != std::string::npos) tensor.abs_().add_(0.1);
  }
  return tensors;
}

void fill(models::Model& model, const NamedTensors& tensors) {
  const at::NoGradGuard no_grad;
  for (auto& [name, target] : models::named_tensors(model)) {
    const auto found =
        std::find_if(tensors.begin(), tensors.end(),
                     [&, &wanted = name](const auto& t) { return t.first == wanted; });
    ASSERT_NE(found, tensors.end()) << name;
    ASSERT_EQ(found->second.sizes(), target.sizes()) << name;
    auto place = target;
    place.copy_(found->second);
  }
}

// The same network at full size: weights, scales and shifts of the removed filters are 0. Running
// statistics of a channel whose scale is 0 do not matter, and conv2 need not change.
NamedTensors zero_filters(const NamedTensors& tensors,
                          const std::vector<prune::BlockFilters>& filters) {
  NamedTensors result;
  for (const auto& [name, tensor] : tensors) {
    auto value = tensor;
    for (const auto& block : filters) {
      for (const char* own : {"conv1.weight", "conv1.bias", "bn1.weight", "bn1.bias"}) {
        if (name != block.block + own) continue;
        value = at::zeros_like(tensor);
        for (const int64_t i : block.kept) value[i].copy_(tensor[i]);
      }
    }
    result.emplace_back(name, value);
  }
  return result;
}

TEST(Filters, PreActivationNetworksAreRefused) {
  models::ModelOptions options;
  options.name = "wrn";
  const auto tensors = models::named_tensors(*models::make_model(options, {}, 1));
  testing::expect_misuse([&] { prune::choose_filters(tensors, "l1", 0.5); },
                         "filters: pre-activation networks such as wrn are not served; use it "
                         "with a resnet");
}

TEST(Filters, SmallerNetworkComputesTheMaskedOne) {
  const at::NoGradGuard no_grad;
  for (const char* norm : {"batch", "none"}) {
    for (const char* name : {"resnet20", "resnet18"}) {
      for (const char* score : {"l1", "l2", "bn-scale"}) {
        if (std::string(norm) == "none" && std::string(score) == "bn-scale") continue;
        SCOPED_TRACE(std::string(norm) + " " + name + " " + score);
        models::ModelOptions options;
        options.name = name;
        options.norm = norm;
        const auto whole = models::make_model(options, {}, 1);
        const auto tensors = trained_tensors(*whole);
        const auto filters = prune::choose_filters(tensors, score, 0.3);
        options.block_widths = prune::block_widths(filters);
        const auto small = models::make_model(options, {}, 2);
        fill(*small, prune::remove_filters(tensors, filters));
        fill(*whole, zero_filters(tensors, filters));
        EXPECT_LT(models::num_parameters(*small), models::num_parameters(*whole) / 2);
        for (const bool is_training : {false, true}) {
          whole->module().train(is_training);
          small->module().train(is_training);
          const auto images = at::randn({2, 3, 32, 32});
          const auto expected = whole->forward(images), got = small->forward(images);
          const double scale = expected.abs().max().item<double>();
          EXPECT_GT(scale, 0);
          EXPECT_LT((expected - got).abs().max().item<double>(), 1e-5 * std::max(1.0, scale));
        }
      }
    }
  }
}

NamedTensors one_block(int64_t filters) {
  return {{"conv1.weight", at::randn({4, 3, 3, 3})},
          {"layer1.0.conv1.weight", at::zeros({filters, 4, 1, 1})},
          {"layer1.0.bn1.weight", at::zeros({filters})},
          {"layer1.0.bn1.running_mean", at::zeros({filters})},
          {"layer1.0.conv2.weight", at::randn({4, filters, 3, 3})}};
}

TEST(Filters, TheLowestScoresGo) {
  auto tensors = one_block(4);
  tensors[1].second =
      at::tensor({3.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, -2.0, -2.0, 1.0, 0.0, 0.5, 0.0, 0.0, 0.0})
          .view({4, 4, 1, 1});
  tensors[2].second = at::tensor({0.1, -3.0, 0.2, 2.0});
  using Places = std::vector<int64_t>;
  EXPECT_EQ(prune::choose_filters(tensors, "l1", 0.5)[0].kept, (Places{1, 2}));  // 3, 4, 5, .5
  EXPECT_EQ(prune::choose_filters(tensors, "l2", 0.5)[0].kept, (Places{0, 2}));  // 3, 2, 3, .5
  EXPECT_EQ(prune::choose_filters(tensors, "bn-scale", 0.5)[0].kept, (Places{1, 3}));
  EXPECT_EQ(prune::choose_filters(tensors, "l1", 0.01)[0].kept, (Places{2}));  // one stays
  EXPECT_EQ(prune::choose_filters(tensors, "l1", 1)[0].kept, (Places{0, 1, 2, 3}));
}

TEST(Filters, MisuseIsNamed) {
  using testing::expect_misuse;
  expect_misuse(
      [] {
        prune::choose_filters({{"linear.weight", at::zeros({2, 2})}}, "l1", 0.5);
      },
      "filters: the network has no residual blocks; use it with a resnet");
  expect_misuse([] { prune::choose_filters(one_block(4), "l1", 0); },
                "filters: the density must be in (0, 1], got 0");
  auto tensors = one_block(4);
  tensors.erase(tensors.begin() + 3);
  expect_misuse([&] { prune::choose_filters(tensors, "l1", 0.5); },
                "filters: removing filters would change the groups of --norm group; use --norm "
                "batch or none");
  tensors.erase(tensors.begin() + 2);
  expect_misuse([&] { prune::choose_filters(tensors, "bn-scale", 0.5); },
                "filters: bn-scale needs BatchNorm; use l1 or l2");
  models::ModelOptions options;
  options.name = "resnet20";
  options.block_widths = {3};
  expect_misuse([&] { models::make_model(options, {}, 0); },
                "resnet20: --block-widths wants 9 numbers, one a block, got 1");
}

}  // namespace
}  // namespace unlazy
