// The block that carries the host's decisions: what is written is what its parts show.
#include "train/control_block.h"

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <numeric>

#include "core/error.h"
#include "data/batches.h"

namespace unlazy::train {
namespace {

class Parts : public ::testing::TestWithParam<c10::ScalarType> {};

TEST_P(Parts, AreWhatWasWritten) {
  constexpr int64_t kSize = 3, kClasses = 5;  // an odd number of targets
  ControlBlock control(kSize, kSize * kClasses, GetParam(), /*is_pinned=*/false);
  control.set_scalars(0.1, 0.05, int64_t{1} << 40);
  std::iota(control.plan(), control.plan() + kSize * data::kPlanWidth, 10);
  std::iota(control.labels(), control.labels() + kSize, 30);
  std::iota(control.seen(), control.seen() + kSize, 40);
  std::iota(control.targets(), control.targets() + kSize * kClasses, 50.5f);

  const auto parts = control.parts_of(control.tensor().clone());
  EXPECT_EQ(parts.lr.scalar_type(), GetParam());
  EXPECT_EQ(parts.lr.dim(), 0);
  const bool is_double = GetParam() == c10::kDouble;
  EXPECT_EQ(parts.lr.item<double>(), is_double ? 0.1 : double{0.1f});
  EXPECT_EQ(parts.rho.item<double>(), is_double ? 0.05 : double{0.05f});
  EXPECT_EQ(parts.step.item<int64_t>(), int64_t{1} << 40);
  EXPECT_EQ(parts.plan.sizes(), (at::IntArrayRef{kSize, data::kPlanWidth}));
  EXPECT_EQ(parts.plan[2][3].item<int64_t>(), 10 + 11);
  EXPECT_EQ(parts.labels[2].item<int64_t>(), 32);
  EXPECT_EQ(parts.seen[0].item<int64_t>(), 40);
  EXPECT_EQ(parts.targets.sizes(), (at::IntArrayRef{kSize, kClasses}));
  EXPECT_EQ(parts.targets[0][0].item<float>(), 50.5f);
  EXPECT_EQ(parts.targets[2][4].item<float>(), 64.5f);
}

INSTANTIATE_TEST_SUITE_P(Dtypes, Parts, ::testing::Values(c10::kFloat, c10::kDouble));

TEST(ControlBlock, WithoutTargetsTheyAreTheLabelsThatTheLossSees) {
  ControlBlock control(2, 0, c10::kFloat, false);
  std::iota(control.seen(), control.seen() + 2, 7);
  const auto parts = control.parts_of(control.tensor());
  EXPECT_TRUE(parts.targets.is_same(parts.seen));
  EXPECT_EQ(parts.targets[1].item<int64_t>(), 8);
}

TEST(ControlBlock, RefusesADtypeThatHasNoLearningRate) {
  EXPECT_THROW(ControlBlock(2, 0, c10::kBFloat16, false), Error);
}

}  // namespace
}  // namespace unlazy::train
