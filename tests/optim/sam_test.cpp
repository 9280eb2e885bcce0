// SAM, ASAM, GSAM: by hand, and against their bases bit for bit.
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <cmath>

#include "optim/rho_schedule.h"
#include "support/expect_error.h"
#include "support/quadratic.h"

namespace unlazy::optim {
namespace {

using testing::Quadratic;
using Vector = std::vector<double>;

OptimizerOptions options_of(const std::string& name, double momentum = 0) {
  OptimizerOptions options;
  options.name = name;
  options.momentum = momentum;
  return options;
}

Vector values_of(const FlatParameters& flat) {
  const auto values = flat.values().to(c10::kDouble).contiguous();
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
}

void expect_near(const Vector& got, const Vector& wanted, double tolerance = 1e-14) {
  ASSERT_EQ(got.size(), wanted.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], wanted[i], tolerance) << i;
}

const Vector kW = {3, -1, 0.5, 2, -4, 1};
const Vector kH = {1, 0.5, 2, 1.5, 1, 0.7};
constexpr double kLr = 0.1, kRho = 0.5;

double norm(const Vector& v) {
  double sum = 0;
  for (const double x : v) sum += x * x;
  return std::sqrt(sum);
}
double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}
// The gradient of the quadratic around `center` at w + e.
Vector gradient_at(const Vector& e, double center = 0) {
  Vector g(kW.size());
  for (size_t i = 0; i < g.size(); ++i) g[i] = kH[i] * (kW[i] + e[i] - center);
  return g;
}
Vector scaled(const Vector& v, double factor) {
  Vector out = v;
  for (double& x : out) x *= factor;
  return out;
}
Vector stepped(const Vector& direction) {
  Vector out = kW;
  for (size_t i = 0; i < out.size(); ++i) out[i] -= kLr * direction[i];
  return out;
}
Vector after_one_step(const OptimizerOptions& options, const Vector& centers = {0}) {
  Quadratic problem(c10::kDouble, centers);
  make_optimizer(options, problem.flat())->step(problem.gradient(), problem.inputs(kLr, kRho));
  return values_of(problem.flat());
}

TEST(Sam, OneStepOnAQuadraticByHand) {
  const auto g = gradient_at(Vector(6, 0));
  expect_near(after_one_step(options_of("sam")), stepped(gradient_at(scaled(g, kRho / norm(g)))));
  auto unnormalized = options_of("sam");
  unnormalized.sharpness.variant = "unnormalized";
  expect_near(after_one_step(unnormalized), stepped(gradient_at(scaled(g, kRho))));
}

// f = a . W x, loss (f - y)^2 / 2: closed form of the step.
class TwoLayer : public torch::nn::Module {
 public:
  TwoLayer() {
    W = register_parameter("W",
                           at::tensor({0.3, -0.2, 0.5, 0.1, 0.7, -0.4}, at::kDouble).view({2, 3}));
    a = register_parameter("a", at::tensor({0.6, -0.9}, at::kDouble).view({1, 2}));
  }
  at::Tensor W, a;
};

TEST(Sam, OneStepOfATwoLayerNetByHand) {
  const double x[3] = {1.0, -0.5, 2.0}, y = 0.4;
  const double W[2][3] = {{0.3, -0.2, 0.5}, {0.1, 0.7, -0.4}}, a[2] = {0.6, -0.9};
  double z[2] = {0, 0}, f = 0, xx = 0, zz = 0, aa = 0;
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 3; ++j) z[i] += W[i][j] * x[j];
  for (int j = 0; j < 3; ++j) xx += x[j] * x[j];
  for (int i = 0; i < 2; ++i) f += a[i] * z[i], zz += z[i] * z[i], aa += a[i] * a[i];
  const double n2 = aa * xx + zz;  // squared norm of df/d(W, a)
  const double kappa = kRho * (f > y ? 1 : -1) / std::sqrt(n2);
  const double f_adv = f * (1 + kappa * kappa * xx) + kappa * n2;
  Vector wanted;
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 3; ++j)
      wanted.push_back(W[i][j] - kLr * (f_adv - y) * (a[i] + kappa * z[i]) * x[j]);
  for (int i = 0; i < 2; ++i)
    wanted.push_back(a[i] - kLr * (f_adv - y) * (z[i] + kappa * a[i] * xx));

  TwoLayer net;
  FlatParameters flat(net, c10::kCPU, c10::kDouble);
  const auto input = at::tensor({1.0, -0.5, 2.0}, at::kDouble).view({3, 1});
  const GradientPass gradient = [&](bool, const Span&) {
    flat.clear_gradients();
    ((net.a.matmul(net.W.matmul(input)) - y).pow(2).sum() * 0.5).backward();
    flat.collect_gradients(true);
  };
  make_optimizer(options_of("sam"), flat)
      ->step(gradient, {at::tensor(kLr, at::kDouble), at::tensor(kRho, at::kDouble), true, 1});
  expect_near(values_of(flat), wanted);
}

TEST(Sam, AsamOneStepByHand) {
  const double eta = 0.25;
  for (const std::string scaling : {"all", "weights"}) {
    auto options = options_of("asam");
    options.sharpness.eta = eta;
    options.sharpness.scaling = scaling;
    const auto g = gradient_at(Vector(6, 0));
    Vector t(6), tg(6), e(6);
    for (size_t i = 0; i < 6; ++i) {
      const bool is_bias = i >= 4;
      t[i] = scaling == "weights" && is_bias ? 1 : std::abs(kW[i]) + eta;
      tg[i] = t[i] * g[i];
    }
    for (size_t i = 0; i < 6; ++i) e[i] = kRho * t[i] * tg[i] / norm(tg);
    SCOPED_TRACE(scaling);
    expect_near(after_one_step(options), stepped(gradient_at(e)));
  }
}

TEST(Sam, GsamOneStepByHand) {
  auto options = options_of("gsam");
  options.sharpness.alpha = 0.3;
  const auto g = gradient_at(Vector(6, 0));
  const auto g_adv = gradient_at(scaled(g, kRho / norm(g)));
  const double share = dot(g, g_adv) / dot(g_adv, g_adv);
  Vector direction(6);
  for (size_t i = 0; i < 6; ++i) direction[i] = g_adv[i] - 0.3 * (g[i] - share * g_adv[i]);
  expect_near(after_one_step(options), stepped(direction));
  options.sharpness.alpha = 0;
  EXPECT_EQ(after_one_step(options), after_one_step(options_of("sam")));
}

TEST(Sam, GroupsHaveTheirOwnPerturbations) {
  const Vector centers = {1, -2, 0.5, 3, -1};  // the last group is smaller
  Vector direction(6, 0);
  for (const auto& [c, share] : {std::pair{-0.5, 0.4}, {1.75, 0.4}, {-1.0, 0.2}}) {
    const auto g = gradient_at(Vector(6, 0), c);
    const auto g_adv = gradient_at(scaled(g, kRho / norm(g)), c);
    for (size_t i = 0; i < 6; ++i) direction[i] += share * g_adv[i];
  }
  auto options = options_of("sam");
  options.sharpness.group_size = 2;
  expect_near(after_one_step(options, centers), stepped(direction));
  options.sharpness.group_size = 5;
  EXPECT_EQ(after_one_step(options, centers), after_one_step(options_of("sam"), centers));
}

// Options that the base optimizer handles: momentum, decay of weights only, and clipping.
OptimizerOptions busy(const std::string& name, const std::string& base = "sgd") {
  auto options = options_of(name, base == "sgd" ? 0.9 : 0);
  options.nesterov = base == "sgd";
  if (is_sharpness_aware(name)) options.sharpness.base = base;
  options.weight_decay = 0.01;
  options.decay = "weights";
  options.clip_norm = 1.5;
  return options;
}

Vector after_steps(const OptimizerOptions& options, c10::ScalarType dtype, double rho,
                   bool is_perturbed) {
  Quadratic problem(dtype, {0.3, -0.2, 0.1});
  const auto optimizer = make_optimizer(options, problem.flat());
  for (int i = 0; i < 10; ++i)
    optimizer->step(problem.gradient(), problem.inputs(kLr, rho, is_perturbed));
  return values_of(problem.flat());
}

// In bf16 training the second gradient is that of the fp32 master, so the base is too.
TEST(Sam, ZeroRhoIsTheBaseBitForBit) {
  for (const auto& entry : base_registry().entries()) {
    for (const auto dtype : {c10::kDouble, c10::kFloat, c10::kBFloat16}) {
      SCOPED_TRACE(entry.name + " " + c10::toString(dtype));
      const auto master = dtype == c10::kBFloat16 ? c10::kFloat : dtype;
      const auto base = after_steps(busy(entry.name, entry.name), master, 0, true);
      for (const std::string name : {"sam", "asam", "gsam"}) {
        EXPECT_EQ(after_steps(busy(name, entry.name), dtype, 0, true), base) << name;
        EXPECT_NE(after_steps(busy(name, entry.name), dtype, kRho, true), base) << name;
      }
    }
  }
}

TEST(Sam, UnperturbedStepsAreTheBaseBitForBit) {
  for (const std::string name : {"sam", "asam", "gsam"}) {
    EXPECT_EQ(after_steps(busy(name), c10::kFloat, kRho, false),
              after_steps(busy("sgd"), c10::kFloat, kRho, false));
  }
}

// What the base optimizer is given.
Vector direction_of(const OptimizerOptions& options) {
  auto w = after_one_step(options);
  for (size_t i = 0; i < w.size(); ++i) w[i] = (kW[i] - w[i]) / kLr;
  return w;
}

TEST(Sam, ClippingActsOnTheGradientAtThePerturbedPoint) {
  for (const std::string name : {"sam", "asam", "gsam"}) {
    SCOPED_TRACE(name);
    auto options = options_of(name);
    const auto direction = direction_of(options);
    ASSERT_GT(norm(direction), 2);
    options.clip_norm = 2;
    expect_near(after_one_step(options), stepped(scaled(direction, 2 / norm(direction))), 1e-6);
  }
}

// Decay sees the weights as they were, not the perturbed ones, and moves neither perturbation.
TEST(Sam, WeightDecayActsAtTheUnperturbedPoint) {
  for (const std::string name : {"sam", "asam", "gsam"}) {
    SCOPED_TRACE(name);
    auto options = options_of(name);
    auto wanted = direction_of(options);
    for (size_t i = 0; i < wanted.size(); ++i) wanted[i] += 0.3 * kW[i];
    options.weight_decay = 0.3;
    expect_near(after_one_step(options), stepped(wanted), 1e-13);
  }
}

TEST(Sam, TheWayBackIsExactForAll) {
  for (const auto dtype : {c10::kFloat, c10::kBFloat16}) {
    for (const std::string name : {"sam", "asam", "gsam"}) {
      for (const int64_t group : {0, 2}) {
        auto options = options_of(name);
        options.sharpness.group_size = group;
        Quadratic problem(dtype, {0.37, -0.2, 0.11, 1.3});
        const auto before = problem.flat().values().clone();
        const auto optimizer = make_optimizer(options, problem.flat());
        for (int i = 0; i < 50; ++i)  // w + e - e would drift
          optimizer->step(problem.gradient(), problem.inputs(0, 0.123 + 0.01 * i));
        EXPECT_TRUE(at::equal(problem.flat().values(), before)) << name << " " << group;
      }
    }
  }
}

TEST(Sam, SecondPassIsAtThePerturbedMasterAndTheWayBackIsExact) {
  for (const auto dtype : {c10::kFloat, c10::kBFloat16}) {
    Quadratic problem(dtype, {0.37});
    const auto before = problem.flat().values().clone();
    std::vector<at::Tensor> at_pass;
    const GradientPass inner = problem.gradient();
    const GradientPass spy = [&](bool updates, const Span& samples) {
      at_pass.push_back(problem.flat().values().clone());
      inner(updates, samples);
    };
    make_optimizer(options_of("sam"), problem.flat())->step(spy, problem.inputs(0, 0.123));
    ASSERT_EQ(at_pass.size(), 2u);
    EXPECT_TRUE(at::equal(at_pass[0], before));
    EXPECT_NEAR((at_pass[1] - before).norm().item<double>(), 0.123, 1e-6);
    EXPECT_TRUE(at::equal(problem.flat().values(), before));
    EXPECT_TRUE(problem.passes[0].updates_statistics);
    EXPECT_FALSE(problem.passes[1].updates_statistics);
  }
}

// bf16 has 8 significant bits: next to a weight of 3 it knows no other within 0.008, which is most
// of what a radius of 0.01 asks for.
TEST(Sam, InBf16TheNetworkSeesTheWholePerturbation) {
  for (const std::string name : {"sam", "asam", "gsam"}) {
    Quadratic problem(c10::kBFloat16, {0.37});
    const GradientPass inner = problem.gradient();
    std::vector<at::Tensor> seen;  // by the network: all its parameters in one
    const GradientPass spy = [&](bool updates, const Span& samples) {
      std::vector<at::Tensor> parts;
      for (const auto& parameter : problem.parameters())
        parts.push_back(parameter.detach().flatten().to(c10::kDouble));
      seen.push_back(at::cat(parts));
      inner(updates, samples);
    };
    make_optimizer(options_of(name), problem.flat())->step(spy, problem.inputs(0, 0.01));
    ASSERT_EQ(seen.size(), 2u);
    Quadratic fine(c10::kFloat, {0.37});
    at::Tensor wanted;
    const GradientPass fine_inner = fine.gradient();
    const GradientPass fine_spy = [&](bool updates, const Span& samples) {
      wanted = fine.flat().values().to(c10::kDouble);
      fine_inner(updates, samples);
    };
    make_optimizer(options_of(name), fine.flat())->step(fine_spy, fine.inputs(0, 0.01));
    // The start is exact in bf16, so that only the gradient there is rounded, by 2^-9 at most.
    EXPECT_LT((seen[1] - wanted).norm().item<double>(), 0.01 / 128) << name;
    // Afterwards it looks at its bf16 copy again.
    for (const auto& parameter : problem.parameters())
      EXPECT_EQ(parameter.scalar_type(), c10::kBFloat16) << name;
  }
}

RhoSchedule schedule_of(const SharpnessOptions& options, const Schedule& lr) {
  return RhoSchedule(options, lr, /*steps_per_epoch=*/10, /*total_steps=*/100);
}

TEST(RhoSchedule, IntervalStartAndEnd) {
  const Schedule lr({}, 10, 100);
  SharpnessOptions options;
  const auto always = schedule_of(options, lr);
  EXPECT_TRUE(always.is_perturbed(0) && always.is_perturbed(99));
  options.interval = 5;
  options.start = Step::epochs(2);
  options.end = Step::iterations(31);
  const auto some = schedule_of(options, lr);
  std::vector<int64_t> steps;
  for (int64_t step = 0; step < 100; ++step)
    if (some.is_perturbed(step)) steps.push_back(step);
  EXPECT_EQ(steps, (std::vector<int64_t>{20, 25, 30}));
}

TEST(RhoSchedule, Shapes) {
  ScheduleOptions lr_options;
  lr_options.lr = 0.4;
  lr_options.kind = "multistep";
  lr_options.milestones = {Step::iterations(50)};
  const Schedule lr(lr_options, 10, 100);
  SharpnessOptions options;
  options.rho = 0.3;
  EXPECT_EQ(schedule_of(options, lr).rho(70), 0.3);
  options.rho_end = 0.1;
  options.rho_schedule = "linear";
  EXPECT_DOUBLE_EQ(schedule_of(options, lr).rho(25), 0.25);
  EXPECT_DOUBLE_EQ(schedule_of(options, lr).rho(100), 0.1);
  options.rho_schedule = "cosine";
  EXPECT_DOUBLE_EQ(schedule_of(options, lr).rho(25), 0.2 + 0.1 * std::sqrt(0.5));
  options.rho_schedule = "lr";
  EXPECT_DOUBLE_EQ(schedule_of(options, lr).rho(49), 0.3);
  EXPECT_DOUBLE_EQ(schedule_of(options, lr).rho(50), 0.12);
  options.start = Step::iterations(20);
  options.end = Step::iterations(60);
  options.rho_schedule = "linear";
  EXPECT_DOUBLE_EQ(schedule_of(options, lr).rho(40), 0.2);
}

TEST(SamErrors, SayWhatIsWrong) {
  using testing::expect_misuse;
  OptimizerOptions o;
  const auto parse = [&](const std::vector<std::string>& flags) {
    Options("train", {describe(o), describe(o.sharpness)}).parse(flags);
  };
  expect_misuse([&] { parse({"--rho", "-0.1"}); }, "--rho must be >= 0, got -0.1");
  expect_misuse([&] { parse({"--sam-interval", "0"}); }, "--sam-interval must be >= 1, got 0");
  expect_misuse(
      [&] {
        parse({"--sam-base", "adagrad"});
      },
      "--sam-base: there is no 'adagrad'; known: sgd, adamw");
  Quadratic problem;
  o.name = "sam";
  o.sharpness.base = "sam";
  expect_misuse([&] { make_optimizer(o, problem.flat()); },
                "base optimizer: there is no 'sam'; did you mean 'sgd'?");
  const auto refuse = [](const std::vector<std::string>& flags) {
    OptimizerOptions given;
    Options table("train", {describe(given), describe(given.sharpness)});
    table.parse(flags);
    table.refuse_without_effect();
  };
  expect_misuse(
      [&] {
        refuse({"--rho", "0.1"});
      },
      "--rho 0.1 has no effect with --optimizer sgd; leave it out, or give --optimizer "
      "sam, asam, gsam");
  expect_misuse(
      [&] {
        refuse({"--optimizer", "gsam", "--sam-variant", "unnormalized"});
      },
      "--sam-variant unnormalized has no effect with --optimizer gsam; leave it out, or give "
      "--optimizer sam");
  expect_misuse(
      [&] {
        refuse({"--optimizer", "sam", "--rho-end", "0.1"});
      },
      "--rho-end 0.1 has no effect with --rho-schedule constant; leave it out, or give "
      "--rho-schedule linear, cosine, lr");
  expect_misuse(
      [&] {
        refuse({"--adam-eps", "1e-6"});
      },
      "--adam-eps 1e-06 has no effect with --optimizer sgd; leave it out, or give "
      "--optimizer adamw or --sam-base adamw");
  refuse({"--optimizer", "sam", "--sam-base", "adamw", "--adam-eps", "1e-6"});
  SharpnessOptions s;
  s.group_size = 48;
  expect_misuse([&] { check_group_size(s, 128); }, "sam: --sam-m must divide --batch 128, got 48");
  const Schedule lr({}, 10, 100);
  s = {};
  s.start = Step::epochs(3);
  s.end = Step::epochs(2);
  expect_misuse([&] { schedule_of(s, lr); },
                "sam: --sam-end 2ep is not after --sam-start 3ep, so no step would be perturbed");
}

}  // namespace
}  // namespace unlazy::optim
