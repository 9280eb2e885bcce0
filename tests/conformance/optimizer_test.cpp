// What every optimizer must hold, the SAM family around every base, in every precision; a new line
// in a registry is tested with no further line here.
#include <ATen/ops/equal.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "support/optimizers.h"
#include "support/quadratic.h"

namespace unlazy::optim {
namespace {

using testing::Quadratic;
// "sgd", "sam_sgd", "sam_adamw": the optimizer and its base.
using Case = std::tuple<std::string, c10::ScalarType>;

constexpr double kLr = 0.02, kRho = 0.05;

std::unique_ptr<Optimizer> make(const std::string& name, FlatParameters& parameters) {
  OptimizerOptions options;
  options.momentum = 0.9;
  testing::choose_optimizer(options, name);
  options.weight_decay = 1e-3;
  return make_optimizer(options, parameters);
}

void run(Optimizer& optimizer, Quadratic& problem, int64_t steps, double lr = kLr) {
  for (int64_t i = 0; i < steps; ++i)
    optimizer.step(problem.gradient(), problem.inputs(lr, kRho, /*is_perturbed=*/i % 3 != 2));
}

class OptimizerConformance : public ::testing::TestWithParam<Case> {
 protected:
  std::string name() const { return std::get<0>(GetParam()); }
};

TEST_P(OptimizerConformance, MinimisesAQuadratic) {
  Quadratic p(std::get<1>(GetParam()), {0.2});
  const auto optimizer = make(name(), p.flat());
  const double before = p.loss();
  run(*optimizer, p, 300);
  EXPECT_LT(p.loss(), 1e-2 * before);
}

TEST_P(OptimizerConformance, StaysFiniteWhereTheGradientIsZero) {
  Quadratic p(std::get<1>(GetParam()), {0});
  at::NoGradGuard no_grad;
  p.flat().values().zero_();
  p.flat().publish();
  const auto optimizer = make(name(), p.flat());
  {
    at::AutoGradMode with_grad(true);
    run(*optimizer, p, 3);
  }
  EXPECT_TRUE(at::equal(p.flat().values(), at::zeros_like(p.flat().values())));
}

TEST_P(OptimizerConformance, LearningRateZeroLeavesTheParametersBitForBit) {
  Quadratic p(std::get<1>(GetParam()), {0.1, -0.1, 0.3, 0.5});
  const auto before = p.flat().values().clone();
  const auto optimizer = make(name(), p.flat());
  run(*optimizer, p, 5, /*lr=*/0);
  EXPECT_TRUE(at::equal(p.flat().values(), before));
}

TEST_P(OptimizerConformance, StateIsNamedBuffersOfTheParametersSizeAndScalars) {
  Quadratic p(std::get<1>(GetParam()));
  const auto optimizer = make(name(), p.flat());
  std::set<std::string> names;
  for (const auto& [name, buffer] : optimizer->state()) {
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_TRUE(buffer.dim() == 0 || buffer.sizes() == p.flat().values().sizes()) << name;
  }
}

TEST_P(OptimizerConformance, RestoredStateContinuesBitForBit) {
  const std::vector<double> centers = {0.1, -0.1, 0.3, 0.5};
  Quadratic whole(std::get<1>(GetParam()), centers), first(std::get<1>(GetParam()), centers),
      second(std::get<1>(GetParam()), centers);
  const auto uninterrupted = make(name(), whole.flat());
  run(*uninterrupted, whole, 6);

  const auto before = make(name(), first.flat()), after = make(name(), second.flat());
  run(*before, first, 3);
  at::NoGradGuard no_grad;
  second.flat().values().copy_(first.flat().values());
  second.flat().publish();
  const auto from = before->state(), to = after->state();
  ASSERT_EQ(from.size(), to.size());
  for (size_t i = 0; i < from.size(); ++i) at::Tensor(to[i].second).copy_(from[i].second);
  at::AutoGradMode with_grad(true);
  run(*after, second, 3);
  EXPECT_TRUE(at::equal(second.flat().values(), whole.flat().values()));
}

TEST_P(OptimizerConformance, CountsEachSampleOnce) {
  Quadratic p(std::get<1>(GetParam()), {0.1, -0.1, 0.3, 0.5});
  const auto optimizer = make(name(), p.flat());
  run(*optimizer, p, 1);
  std::vector<int> seen(4, 0);
  for (const auto& pass : p.passes) {
    for (int64_t b = pass.samples.begin; b < pass.samples.end; ++b)
      seen[static_cast<size_t>(b)] += pass.updates_statistics ? 1 : 0;
  }
  EXPECT_EQ(seen, std::vector<int>(4, 1)) << "in the passes that move BatchNorm's statistics";
}

std::vector<std::string> names() {
  std::vector<std::string> list;
  for (const auto& entry : registry().entries()) {
    if (!is_sharpness_aware(entry.name)) {
      list.push_back(entry.name);
      continue;
    }
    for (const auto& base : base_registry().entries()) list.push_back(entry.name + "_" + base.name);
  }
  return list;
}

INSTANTIATE_TEST_SUITE_P(All, OptimizerConformance,
                         ::testing::Combine(::testing::ValuesIn(names()),
                                            ::testing::Values(c10::kDouble, c10::kFloat,
                                                              c10::kBFloat16)),
                         [](const auto& test) {
                           return std::get<0>(test.param) + "_" +
                                  c10::toString(std::get<1>(test.param));
                         });

}  // namespace
}  // namespace unlazy::optim
