#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>

#include <cmath>

#include "optim/loss.h"
#include "optim/optimizer.h"
#include "optim/schedule.h"
#include "support/expect_error.h"

namespace unlazy::optim {
namespace {

using testing::expect_misuse;

// A network whose parameters are a weight [1, 2] and a bias [1].
struct TinyModule : torch::nn::Module {
  TinyModule() {
    register_parameter("weight", at::tensor({1.0, 2.0}, c10::kDouble).view({1, 2}));
    register_parameter("bias", at::tensor({3.0}, c10::kDouble));
  }
};

// Runs two updates with the given gradients and returns the three parameters.
std::vector<double> two_steps(const OptimizerOptions& options, const std::vector<double>& first,
                              const std::vector<double>& second) {
  TinyModule module;
  FlatParameters flat(module, c10::kCPU, c10::kDouble);
  const auto sgd = make_optimizer(options, flat);
  const auto lr = at::tensor(0.1, c10::kDouble);
  for (const auto& gradient : {first, second}) {
    sgd->step(
        [&](bool, const Span&) { flat.gradients().copy_(at::tensor(gradient, c10::kDouble)); },
        {.lr = lr});
  }
  const double* values = flat.values().const_data_ptr<double>();
  return {values, values + 3};
}

void expect_close(const std::vector<double>& actual, const std::vector<double>& expected) {
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 1e-14) << i;
}

TEST(Sgd, PlainStepByHand) {
  // w - 0.1 (g1 + g2)
  expect_close(two_steps({}, {1, -1, 2}, {3, 1, 0}), {0.6, 2.0, 2.8});
}

TEST(Sgd, MomentumByHand) {
  OptimizerOptions options;
  options.momentum = 0.5;
  // v1 = g1, v2 = 0.5 g1 + g2: first entry 1 - 0.1 (1 + 3.5)
  expect_close(two_steps(options, {1, -1, 2}, {3, 1, 0}),
               {1 - .1 * 4.5, 2 - .1 * (-1 + .5), 3 - .1 * (2 + 1)});
}

TEST(Sgd, NesterovByHand) {
  OptimizerOptions options;
  options.momentum = 0.5;
  options.nesterov = true;
  // step 1: g + .5 v1 = 1.5; step 2: v2 = 3.5, g + .5 v2 = 4.75
  EXPECT_NEAR(two_steps(options, {1, 0, 0}, {3, 0, 0})[0], 1 - .1 * (1.5 + 4.75), 1e-14);
}

TEST(Sgd, WeightDecayReachesTheBiasOnlyWhenAskedTo) {
  OptimizerOptions options;
  options.weight_decay = 0.5;
  // w <- w (1 - 0.1 * 0.5) twice
  expect_close(two_steps(options, {0, 0, 0}, {0, 0, 0}), {.95 * .95, 2 * .95 * .95, 3 * .95 * .95});
  options.decay = "weights";
  expect_close(two_steps(options, {0, 0, 0}, {0, 0, 0}), {.95 * .95, 2 * .95 * .95, 3});
}

TEST(Sgd, ClippingScalesTheGradientToTheNorm) {
  OptimizerOptions options;
  options.clip_norm = 1;
  // |g1| = 5 is scaled by 1/5 (torch adds 1e-6 to the norm), |g2| = 0.5 is left alone.
  expect_close(two_steps(options, {3, 4, 0}, {0.5, 0, 0}),
               {1 - .1 * (3 / (5 + 1e-6) + .5), 2 - .1 * 4 / (5 + 1e-6), 3});
}

TEST(Sgd, NesterovNeedsMomentum) {
  OptimizerOptions options;
  options.nesterov = true;
  TinyModule module;
  FlatParameters flat(module, c10::kCPU, c10::kDouble);
  expect_misuse([&] { make_optimizer(options, flat); }, "sgd: --nesterov needs --momentum above 0");
}

OptimizerOptions adamw() {
  OptimizerOptions options;
  options.name = "adamw";
  options.adam_beta1 = 0.5;
  options.adam_beta2 = 0.75;
  options.adam_eps = 0.01;
  return options;
}

TEST(AdamW, TwoStepsByHand) {
  const auto got = two_steps(adamw(), {1, -1, 2}, {3, 1, 0});
  const double first[3] = {1, -1, 2}, second[3] = {3, 1, 0}, start[3] = {1, 2, 3};
  std::vector<double> wanted;
  for (int i = 0; i < 3; ++i) {
    // t = 1: m / (1 - .5) = g1 and v / (1 - .75) = g1^2
    double w = start[i] - .1 * first[i] / (std::abs(first[i]) + .01);
    const double m = .25 * first[i] + .5 * second[i];
    const double v = .1875 * first[i] * first[i] + .25 * second[i] * second[i];
    w -= .1 * (m / .75) / (std::sqrt(v / .4375) + .01);
    wanted.push_back(w);
  }
  expect_close(got, wanted);
}

TEST(AdamW, DecayIsDecoupledAndReachesTheBiasOnlyWhenAskedTo) {
  auto options = adamw();
  options.weight_decay = 0.5;
  expect_close(two_steps(options, {0, 0, 0}, {0, 0, 0}), {.95 * .95, 2 * .95 * .95, 3 * .95 * .95});
  options.decay = "weights";
  expect_close(two_steps(options, {0, 0, 0}, {0, 0, 0}), {.95 * .95, 2 * .95 * .95, 3});
  // It does not enter the mean square: the step of a gradient of 1 is that without decay.
  const double undecayed = two_steps(adamw(), {1, 0, 0}, {0, 0, 0})[0];
  auto once = adamw();
  once.weight_decay = 0.5;
  const double first_move = .1 / 1.01, second_move = 1 - first_move - undecayed;
  EXPECT_NEAR(two_steps(once, {1, 0, 0}, {0, 0, 0})[0], (.95 - first_move) * .95 - second_move,
              1e-14);
}

TEST(AdamW, ClippingScalesTheGradient) {
  auto options = adamw();
  options.adam_eps = 10;  // so large that the size of the gradient is seen
  options.clip_norm = 1;
  const double shrink = 1 / (5 + 1e-6);
  const auto clipped = two_steps(options, {3, 4, 0}, {0, 0, 0});
  options.clip_norm = 0;
  expect_close(clipped, two_steps(options, {3 * shrink, 4 * shrink, 0}, {0, 0, 0}));
}

TEST(AdamW, RefusesBetasThatNeverForget) {
  OptimizerOptions options;
  Options table("train", {describe(options)});
  for (const std::string flag : {"--adam-beta1", "--adam-beta2"}) {
    expect_misuse([&] { table.parse({flag, "1"}); }, flag + " must be in [0, 1), got 1");
  }
}

TEST(AdamW, RefusesTheMomentumOfSgdAndSgdItsBetas) {
  const auto refuse = [](const std::vector<std::string>& flags, const std::string& text) {
    OptimizerOptions options;
    Options table("train", {describe(options), describe(options.sharpness)});
    table.parse(flags);
    expect_misuse([&] { table.refuse_without_effect(); }, text);
  };
  const std::string sgd = "; leave it out, or give --optimizer sgd or --sam-base sgd";
  refuse({"--optimizer", "adamw", "--momentum", "0.9"},
         "--momentum 0.9 has no effect with --optimizer adamw" + sgd);
  refuse({"--optimizer", "adamw", "--nesterov"},
         "--nesterov has no effect with --optimizer adamw" + sgd);
  refuse({"--optimizer", "sam", "--sam-base", "adamw", "--momentum", "0.9"},
         "--momentum 0.9 has no effect with --sam-base adamw" + sgd);
  refuse({"--adam-beta1", "0.5"},
         "--adam-beta1 0.5 has no effect with --optimizer sgd; leave it out, or give --optimizer "
         "adamw or --sam-base adamw");
}

TEST(LearningRate, Constant) { EXPECT_EQ(Schedule({}, 100, 1000).lr(999), 0.1); }

TEST(LearningRate, MultistepFallsAtTheMilestones) {
  ScheduleOptions options;
  options.kind = "multistep";
  options.milestones = {Step::epochs(2), Step::iterations(300)};
  const Schedule schedule(options, 100, 1000);
  EXPECT_DOUBLE_EQ(schedule.lr(199), 0.1);
  EXPECT_DOUBLE_EQ(schedule.lr(200), 0.01);
  EXPECT_DOUBLE_EQ(schedule.lr(300), 0.001);
}

TEST(LearningRate, CosineAfterLinearWarmup) {
  ScheduleOptions options;
  options.kind = "cosine";
  options.warmup = Step::iterations(10);
  const Schedule schedule(options, 100, 110);
  EXPECT_DOUBLE_EQ(schedule.lr(0), 0.01);
  EXPECT_DOUBLE_EQ(schedule.lr(9), 0.1);
  EXPECT_DOUBLE_EQ(schedule.lr(10), 0.1);
  EXPECT_DOUBLE_EQ(schedule.lr(60), 0.05);
  EXPECT_NEAR(schedule.lr(110), 0, 1e-17);
}

TEST(LearningRate, RefusesMilestonesThatDoNothing) {
  ScheduleOptions options;
  Options table("train", {describe(options)});
  table.parse({"--lr-milestones", "2ep"});
  expect_misuse(
      [&] { table.refuse_without_effect(); },
      "--lr-milestones 2ep has no effect with --lr-schedule constant; leave it out, or give "
      "--lr-schedule multistep");
  options.kind = "multistep";
  options.milestones = {Step::epochs(2), Step::epochs(1)};
  expect_misuse([&] { Schedule(options, 1, 1); },
                "learning rate: --lr-milestones must be in increasing order");
}

TEST(LossFunction, CrossEntropyByHand) {
  const auto logits = at::tensor({0.0, std::log(3.0)}, c10::kDouble).view({1, 2});
  const auto labels = at::tensor({1}, c10::kLong);
  EXPECT_NEAR(Loss({}).mean(logits, labels).item<double>(), -std::log(0.75), 1e-15);
  // smoothed targets (1 - s) onehot + s / K = (.1, .9)
  const LossOptions smooth{"cross-entropy", 0.2};
  EXPECT_NEAR(Loss(smooth).mean(logits, labels).item<double>(),
              -.9 * std::log(.75) - .1 * std::log(.25), 1e-15);
}

TEST(LossFunction, SquaredErrorIsHalfTheMeanOverBatchAndClasses) {
  const Loss loss({"squared-error", 0});
  const auto logits = at::tensor({1.0, 2.0, 3.0, 4.0}, c10::kDouble).view({2, 2});
  const auto targets = loss.clean_targets(at::tensor({0, 1}, c10::kLong), 2);
  EXPECT_DOUBLE_EQ(loss.mean(logits, targets).item<double>(), 0.5 * (0 + 4 + 9 + 9) / 4);
}

TEST(LossFunction, LabelSmoothingIsForCrossEntropy) {
  LossOptions options;
  Options table("train", {describe(options)});
  table.parse({"--loss", "squared-error", "--label-smoothing", "0.1"});
  expect_misuse([&] { table.refuse_without_effect(); },
                "--label-smoothing 0.1 has no effect with --loss squared-error; leave it out, or "
                "give --loss cross-entropy");
}

}  // namespace
}  // namespace unlazy::optim
