// Masks against torch.nn.utils.prune and open_lth's rule, level by level and to the weight.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "core/safetensors.h"
#include "optim/flat_parameters.h"
#include "prune/criterion.h"
#include "prune/levels.h"
#include "prune/mask.h"
#include "prune/select.h"
#include "prune/small_network.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"

namespace unlazy {
namespace {

using optim::FlatParameters;

class Golden {
 public:
  Golden()
      : file_(load_tensors(UNLAZY_SOURCE_DIR "/tests/golden/prune_masks.safetensors")),
        parameters_(network_, c10::kCPU, c10::kFloat) {
    const at::NoGradGuard no_grad;
    for (const auto& layer : layers())
      FlatParameters::view(parameters_.values(), layer).copy_(file_.at(layer.name));
  }
  std::vector<optim::Segment> layers() const { return prune::weight_layers(parameters_); }
  at::Tensor weights() const {
    return parameters_.values().narrow(0, 0, parameters_.num_weights());
  }
  at::Tensor mask(const std::string& rule, size_t level) const {
    auto mask = prune::full_mask(parameters_);
    for (const auto& layer : layers()) {
      FlatParameters::view(mask, layer)
          .copy_(file_.at(rule + "." + std::to_string(level) + "." + layer.name));
    }
    return mask;
  }
  const FlatParameters& parameters() const { return parameters_; }

 private:
  testing::SmallNetwork network_;
  TensorFile file_;
  FlatParameters parameters_;
};

std::vector<double> powers() { return prune::densities({}); }

TEST(Select, GlobalMasksAreThoseOfTorch) {
  const Golden golden;
  const auto masks = prune::one_shot_masks(golden.weights().abs(), {golden.layers()}, powers());
  ASSERT_EQ(masks.size(), 15u);
  for (size_t level = 0; level < masks.size(); ++level)
    EXPECT_TRUE(at::equal(masks[level], golden.mask("global", level))) << "level " << level;
}

TEST(Select, LayerMasksAreThoseOfTorch) {
  const Golden golden;
  const auto masks =
      prune::one_shot_masks(golden.weights().abs(), {golden.layers(), true}, powers());
  for (size_t level = 0; level < masks.size(); ++level)
    EXPECT_TRUE(at::equal(masks[level], golden.mask("layer", level))) << "level " << level;
}

TEST(Select, IterativeMasksAreThoseOfOpenLth) {
  const Golden golden;
  auto mask = prune::full_mask(golden.parameters());
  for (size_t level = 0; level < 15; ++level) {
    EXPECT_TRUE(at::equal(mask, golden.mask("imp", level))) << "level " << level;
    mask = prune::next_mask(golden.weights().abs(), {golden.layers()}, 0.2, mask);
  }
}

// Distinct scores: ceil(r / 5) + 1 of r go.
TEST(Select, IterativeSizesFollowTheRuleToTheWeight) {
  const Golden golden;
  const auto scores = at::rand({golden.parameters().num_weights()}, c10::kDouble);
  auto mask = prune::full_mask(golden.parameters());
  int64_t expected = golden.parameters().num_weights();
  for (int level = 0; level < 20; ++level) {
    EXPECT_EQ(mask.sum().item<int64_t>(), expected) << "level " << level;
    mask = prune::next_mask(scores, {golden.layers()}, 0.2, mask);
    expected -= static_cast<int64_t>(std::ceil(0.2 * static_cast<double>(expected))) + 1;
  }
}

TEST(Select, IterativePruningEndsEmpty) {
  const Golden golden;
  auto mask = prune::full_mask(golden.parameters());
  mask.zero_();
  mask[7] = true;
  const auto next = prune::next_mask(golden.weights().abs(), {golden.layers()}, 0.2, mask);
  EXPECT_EQ(next.sum().item<int64_t>(), 0);
}

// All scores equal: every level parts the same group.
TEST(Select, EqualScoresStillGiveNestedMasksOfTheRightSize) {
  const Golden golden;
  const int64_t count = golden.parameters().num_weights();
  const auto masks = prune::one_shot_masks(at::full({count}, 0.5), {golden.layers()}, powers());
  for (size_t level = 0; level < masks.size(); ++level) {
    const double pruned = std::nearbyint((1 - std::pow(0.8, level)) * static_cast<double>(count));
    EXPECT_EQ(masks[level].sum().item<int64_t>(), count - static_cast<int64_t>(pruned));
    EXPECT_TRUE(prune::is_nested(masks[level], masks[level > 0 ? level - 1 : 0])) << level;
  }
}

TEST(Select, WhatIsPrunedStaysPruned) {
  const Golden golden;
  const auto before = golden.mask("global", 3);
  const auto masks = prune::one_shot_masks(at::rand({golden.parameters().num_weights()}),
                                           {golden.layers()}, {0.9, 0.5, 0.1}, before);
  EXPECT_TRUE(at::equal(masks[0], before));  // 0.9 is more than was left
  EXPECT_TRUE(prune::is_nested(masks[1], before));
  EXPECT_TRUE(prune::is_nested(masks[2], masks[1]));
  EXPECT_EQ(masks[2].sum().item<int64_t>(), 153);  // 1528 - round(0.9 * 1528)
}

TEST(Select, LayersThatAreLeftOutStayWhole) {
  const Golden golden;
  const auto layers = prune::prunable_layers({"magnitude", true, true}, golden.parameters());
  ASSERT_EQ(layers.size(), 1u);
  EXPECT_EQ(layers[0].name, "b.weight");
  const auto masks = prune::one_shot_masks(golden.weights().abs(), {layers}, {0.1});
  const auto counts = prune::count_layers(golden.parameters(), masks[0]);
  EXPECT_EQ(counts[0].kept, counts[0].total);
  EXPECT_EQ(counts[1].kept, 115);  // 1152 - round(0.9 * 1152)
  EXPECT_EQ(counts[2].kept, counts[2].total);
}

TEST(Select, DensitiesOutOfRangeOrRisingAreRefused) {
  testing::expect_misuse(
      [] {
        prune::check_densities({1, 0});
      },
      "prune: a density must be in (0, 1], got 0 at level 1");
  testing::expect_misuse([] { prune::check_densities({1.5}); },
                         "prune: a density must be in (0, 1], got 1.5 at level 0");
  testing::expect_misuse(
      [] {
        prune::check_densities({1, 0.5, 0.6});
      },
      "prune: level 2 has density 0.6, above the last one's 0.5; a pruned weight "
      "does not come back, so give densities in falling order");
  testing::expect_misuse(
      [] {
        const Golden golden;
        prune::next_mask(golden.weights(), {golden.layers()}, 1,
                         prune::full_mask(golden.parameters()));
      },
      "prune: the fraction pruned at a level must be in [0, 1), got 1");
}

TEST(Levels, PowersListAndRange) {
  EXPECT_EQ(prune::densities({.count = 3, .fraction = 0.5}), (std::vector<double>{1, 0.5, 0.25}));
  EXPECT_EQ(prune::densities({.densities = {0.7, 0.2}}), (std::vector<double>{0.7, 0.2}));
  const auto range = prune::densities({.count = 3, .range = {1, 0.01}});
  ASSERT_EQ(range.size(), 3u);
  EXPECT_DOUBLE_EQ(range[1], 0.1);
  EXPECT_DOUBLE_EQ(range[2], 0.01);
  EXPECT_EQ(powers()[2], std::pow(0.8, 2));
  testing::expect_misuse(
      [] {
        prune::densities({.densities = {1}, .range = {1, 0.5}});
      },
      "prune: --densities and --density-range exclude each other");
  testing::expect_misuse(
      [] { prune::densities({.range = {0.5}}); },
      "prune: --density-range wants two densities, the first and the last, got 1");
}

TEST(MaskFile, ComesBackAndRefusesAnotherNetwork) {
  const Golden golden;
  const testing::ScratchFolder folder;
  const auto mask = golden.mask("global", 5);
  prune::save_mask(golden.parameters(), mask, folder / "mask.safetensors");
  EXPECT_TRUE(at::equal(prune::load_mask(golden.parameters(), folder / "mask.safetensors"), mask));
  save_tensors(folder / "other.safetensors", {{{"a.weight", at::zeros({3}, c10::kBool)}}, {}});
  testing::expect_error(
      [&] { prune::load_mask(golden.parameters(), folder / "other.safetensors"); },
      folder / "other.safetensors" +
          std::string(": does not fit the network; missing: b.weight, c.weight; of another shape: "
                      "a.weight ([3] in the file, [8, 3, 3, 3] wanted)"));
}

}  // namespace
}  // namespace unlazy
