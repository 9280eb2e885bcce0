#include "models/fused_norm.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/function.h>

#include "models/frozen_statistics.h"
#include "models/norm.h"
#include "support/expect_error.h"

namespace unlazy::models {
namespace {

struct Outcome {
  at::Tensor y, dx, dresidual, dweight, dbias, mean, var;
};

// One training pass of a norm layer, with the plain operators or the fused kernel.
Outcome run(bool is_fused, const at::Tensor& input, const at::Tensor& shortcut, bool relu,
            const at::Tensor& cotangent) {
  Norm norm("batch", input.size(1), 1);
  for (auto& parameter : norm->named_parameters()) parameter->detach().add_(0.25);
  const auto x = input.detach().clone(input.suggest_memory_format()).set_requires_grad(true);
  const auto residual =
      shortcut.defined()
          ? shortcut.detach().clone(input.suggest_memory_format()).set_requires_grad(true)
          : shortcut;
  at::Tensor y;
  if (is_fused) {
    y = norm->forward(x, residual, relu);
    EXPECT_EQ(y.grad_fn()->name().find("FusedBatchNorm") == std::string::npos, false)
        << y.grad_fn()->name();
  } else {
    const PlainOperators plain;
    y = norm->forward(x, residual, relu);
  }
  y.backward(cotangent);
  const auto parameters = norm->named_parameters();
  const auto buffers = norm->named_buffers();
  return {y.detach(),
          x.grad(),
          residual.defined() ? residual.grad() : at::Tensor(),
          parameters["weight"].grad(),
          parameters["bias"].grad(),
          buffers["running_mean"].clone(),
          buffers["running_var"].clone()};
}

void expect_close(const at::Tensor& actual, const at::Tensor& expected, double tolerance,
                  const char* what) {
  ASSERT_EQ(actual.defined(), expected.defined()) << what;
  if (!actual.defined()) return;
  const double difference =
      (actual.to(c10::kDouble) - expected.to(c10::kDouble)).norm().item<double>();
  EXPECT_LE(difference, tolerance * (expected.to(c10::kDouble).norm().item<double>() + 1e-6))
      << what;
}

// Against ATen's own operators: in fp32 to rounding, in bf16 to the rounding of the intermediate
// results that the fused kernel does not have. Odd channel counts and row counts reach the ends of
// the vector loops.
TEST(FusedNorm, EqualsThePlainOperators) {
  for (const auto& [channels, size] : {std::pair<int64_t, int64_t>{64, 8}, {17, 5}, {3, 1}}) {
    for (const bool relu : {true, false}) {
      for (const bool has_residual : {true, false}) {
        const auto x = (at::randn({4, channels, size, size}) * 2 + 5)
                           .contiguous(at::MemoryFormat::ChannelsLast);
        const auto residual =
            has_residual
                ? at::randn({4, channels, size, size}).contiguous(at::MemoryFormat::ChannelsLast)
                : at::Tensor();
        const auto cotangent =
            at::randn({4, channels, size, size}).contiguous(at::MemoryFormat::ChannelsLast);
        const auto fused = run(true, x, residual, relu, cotangent),
                   plain = run(false, x, residual, relu, cotangent);
        expect_close(fused.y, plain.y, 2e-6, "y");
        expect_close(fused.dx, plain.dx, 2e-5, "dx");
        expect_close(fused.dresidual, plain.dresidual, 0, "dresidual");
        expect_close(fused.dweight, plain.dweight, 2e-5, "dweight");
        expect_close(fused.dbias, plain.dbias, 2e-6, "dbias");
        expect_close(fused.mean, plain.mean, 1e-6, "running mean");
        expect_close(fused.var, plain.var, 1e-5, "running variance");
      }
    }
  }
}

TEST(FusedNorm, Bf16IsNearFp32) {
  const auto x =
      at::randn({8, 64, 8, 8}).to(c10::kBFloat16).contiguous(at::MemoryFormat::ChannelsLast);
  const auto residual = at::randn_like(x);
  const auto cotangent = at::randn_like(x);
  const auto low = run(true, x, residual, true, cotangent);
  const auto high =
      run(true, x.to(c10::kFloat), residual.to(c10::kFloat), true, cotangent.to(c10::kFloat));
  expect_close(low.y, high.y, 4e-3, "y");
  expect_close(low.dx, high.dx, 1e-2, "dx");
  expect_close(low.dweight, high.dweight, 1e-2, "dweight");
}

TEST(FusedNorm, EvaluationEqualsThePlainOperators) {
  Norm norm("batch", 33, 1);
  norm->named_buffers()["running_mean"].add_(0.5);
  norm->named_buffers()["running_var"].mul_(3);
  norm->eval();
  const auto x = at::randn({2, 33, 4, 4}).contiguous(at::MemoryFormat::ChannelsLast);
  at::NoGradGuard no_grad;
  const auto fused = norm->forward(x);
  const PlainOperators plain;
  expect_close(fused, norm->forward(x), 1e-6, "y");
}

TEST(FusedNorm, SumsDoNotDependOnTheNumberOfThreads) {
  const auto x = at::randn({16, 24, 9, 9}).contiguous(at::MemoryFormat::ChannelsLast);
  const auto cotangent = at::randn_like(x);
  at::set_num_threads(1);
  const auto one = run(true, x, {}, true, cotangent);
  at::set_num_threads(2);
  const auto two = run(true, x, {}, true, cotangent);
  EXPECT_TRUE(at::equal(one.y, two.y));
  EXPECT_TRUE(at::equal(one.dx, two.dx));
  EXPECT_TRUE(at::equal(one.dweight, two.dweight));
}

TEST(FusedNorm, NonFiniteInputStaysVisible) {
  auto x = at::randn({2, 8, 3, 3}).contiguous(at::MemoryFormat::ChannelsLast);
  x[0][3][1][1] = std::numeric_limits<float>::quiet_NaN();
  Norm norm("batch", 8, 1);
  const auto y = norm->forward(x);
  EXPECT_TRUE(y.select(1, 3).isnan().all().item<bool>());
  EXPECT_FALSE(y.select(1, 2).isnan().any().item<bool>());
}

TEST(FusedNorm, OneValueAChannelIsRefusedInTraining) {
  Norm norm("batch", 8, 1);
  const auto x = at::randn({1, 8, 1, 1}).contiguous(at::MemoryFormat::ChannelsLast);
  const std::string text =
      "BatchNorm: expected more than 1 value per channel when training, got input [1, 8, 1, 1]: a "
      "batch, or its last part, is a single image; use --drop-last or another --batch (for "
      "statistics that are collected anew: --eval-batch)";
  testing::expect_misuse([&] { norm->forward(x); }, text);
  {
    const PlainOperators plain;
    const FrozenStatistics frozen(*norm);
    testing::expect_misuse([&] { norm->forward(x); }, text);
  }
  EXPECT_EQ(norm->named_buffers()["num_batches_tracked"].item<int64_t>(), 0);
  EXPECT_TRUE(norm->named_buffers()["running_var"].isfinite().all().item<bool>());
  norm->forward(x.expand({2, 8, 1, 1}));
  norm->forward(x.expand({1, 8, 1, 2}));
  norm->eval();
  norm->forward(x);
  Norm groups("group", 8, 4);
  groups->forward(x);
}

TEST(FusedNorm, FrozenStatisticsNormaliseButDoNotMove) {
  Norm norm("batch", 8, 1);
  const auto x = at::randn({4, 8, 3, 3}).contiguous(at::MemoryFormat::ChannelsLast);
  const auto moving = norm->forward(x);
  const auto mean = norm->named_buffers()["running_mean"].clone();
  EXPECT_GT(mean.norm().item<float>(), 0);
  {
    const FrozenStatistics frozen(*norm);
    EXPECT_TRUE(at::equal(norm->forward(x), moving));
    const PlainOperators plain;
    norm->forward(x);
  }
  EXPECT_TRUE(at::equal(norm->named_buffers()["running_mean"], mean));
  EXPECT_EQ(norm->named_buffers()["num_batches_tracked"].item<int64_t>(), 1);
  norm->forward(x);
  EXPECT_FALSE(at::equal(norm->named_buffers()["running_mean"], mean));
}

}  // namespace
}  // namespace unlazy::models
