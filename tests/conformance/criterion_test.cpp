// What holds for every criterion of the registry; a newcomer is tested with no further line.
#include <ATen/ops/equal.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "core/files.h"
#include "optim/flat_parameters.h"
#include "prune/criterion.h"
#include "prune/levels.h"
#include "prune/mask.h"
#include "prune/select.h"
#include "prune/small_network.h"

namespace unlazy {
namespace {

class CriterionConformance : public ::testing::TestWithParam<std::string> {
 protected:
  CriterionConformance()
      : parameters_(network_, c10::kCPU, c10::kFloat),
        criterion_(prune::registry().find(GetParam()).make()) {
    candidate_.weights = parameters_.values().narrow(0, 0, parameters_.num_weights());
    candidate_.gradients = at::randn({parameters_.num_weights()});
    candidate_.seed = 3;
  }
  prune::Pool pool() const {
    return {prune::prunable_layers({}, parameters_), criterion_->is_layerwise()};
  }

  testing::SmallNetwork network_;
  optim::FlatParameters parameters_;
  std::unique_ptr<prune::Criterion> criterion_;
  prune::Candidate candidate_;
};

TEST_P(CriterionConformance, ScoresAreFiniteNonNegativeAndRepeatable) {
  const auto before = candidate_.weights.clone();
  const auto scores = criterion_->scores(candidate_);
  EXPECT_EQ(scores.sizes(), candidate_.weights.sizes());
  EXPECT_TRUE(scores.is_floating_point());
  EXPECT_TRUE(at::isfinite(scores).all().item<bool>());
  EXPECT_GE(scores.min().item<double>(), 0);
  EXPECT_TRUE(at::equal(scores, criterion_->scores(candidate_)));
  EXPECT_TRUE(at::equal(before, candidate_.weights));
}

TEST_P(CriterionConformance, MasksAreNestedAndOfTheSizeAskedFor) {
  const auto densities = prune::densities({});
  const auto masks = prune::one_shot_masks(criterion_->scores(candidate_), pool(), densities);
  EXPECT_TRUE(masks[0].all().item<bool>());
  for (size_t i = 0; i < masks.size(); ++i) {
    // Layer by layer each layer is rounded by itself: at most half a weight each.
    const double wanted = densities[i] * static_cast<double>(parameters_.num_weights());
    EXPECT_NEAR(masks[i].sum().item<double>(), wanted, 1.5) << "level " << i;
    EXPECT_TRUE(prune::is_nested(masks[i], masks[i > 0 ? i - 1 : 0])) << "level " << i;
  }
}

TEST_P(CriterionConformance, IterativeMasksAreNested) {
  auto mask = prune::full_mask(parameters_);
  for (int level = 0; level < 10; ++level) {
    const auto next = prune::next_mask(criterion_->scores(candidate_), pool(), 0.2, mask);
    EXPECT_TRUE(prune::is_nested(next, mask)) << "level " << level;
    EXPECT_LT(next.sum().item<int64_t>(), mask.sum().item<int64_t>());
    mask = next;
  }
}

INSTANTIATE_TEST_SUITE_P(All, CriterionConformance, ::testing::ValuesIn([] {
                           std::vector<std::string> names;
                           for (const auto& entry : prune::registry().entries())
                             names.push_back(entry.name);
                           return names;
                         }()),
                         [](const auto& test) {
                           auto name = test.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(Criterion, RandomIsNeitherMagnitudeNorTheSameForAnotherSeed) {
  const auto random = prune::registry().find("random").make();
  const auto weights = at::randn({1000});
  EXPECT_FALSE(at::equal(random->scores({weights, {}, 0}), random->scores({weights, {}, 1})));
}

TEST(Criterion, GradientScoresAreFirstOrderChanges) {
  const auto gradient = prune::registry().find("gradient").make();
  const auto weights = at::randn({50}), gradients = at::randn({50});
  const auto scores = gradient->scores({weights, gradients, 0});
  for (int64_t i = 0; i < 50; ++i) {
    EXPECT_FLOAT_EQ(scores[i].item<float>(),
                    std::abs(weights[i].item<float>() * gradients[i].item<float>()));
  }
}

// A file without a line in the registry would be a criterion that nobody can choose.
TEST(Criterion, EveryFileHasALine) {
  std::set<std::string> files, names;
  for (const auto& entry : std::filesystem::directory_iterator(UNLAZY_SOURCE_DIR "/src/prune")) {
    if (read_file(entry.path()).find(": public Criterion") == std::string::npos) continue;
    auto stem = entry.path().stem().string();
    std::replace(stem.begin(), stem.end(), '_', '-');
    files.insert(stem);
  }
  for (const auto& entry : prune::registry().entries()) names.insert(entry.name);
  EXPECT_EQ(files, names);
}

}  // namespace
}  // namespace unlazy
