// The reduction to d + 1 neurons against all m of them, against LibTorch's autograd, and against
// itself.
#include "synthetic/engine/engine.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/add.h>
#include <ATen/ops/dot.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/sub.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>

#include "core/rng.h"
#include "synthetic/engine/draws.h"
#include "synthetic/engine/neurons.h"
#include "synthetic/records/run.h"
#include "synthetic/support.h"

namespace unlazy::synthetic {
namespace {

using testing::observe_at;
using testing::relative_difference;
using testing::small_options;

constexpr int64_t kLong = 100000;

// Eigenvalues of a symmetric matrix [n, n] by cyclic Jacobi (Golub and Van Loan 8.5), descending.
std::vector<double> jacobi(std::vector<double> s, size_t n) {
  for (int round = 0; round < 30; ++round) {
    for (size_t p = 0; p < n; ++p) {
      for (size_t q = p + 1; q < n; ++q) {
        const double x = s[p * n + q];
        if (x == 0) continue;
        const double theta = (s[q * n + q] - s[p * n + p]) / (2 * x);
        const double t =
            std::copysign(1.0, theta) / (std::fabs(theta) + std::sqrt(theta * theta + 1));
        const double c = 1 / std::sqrt(t * t + 1), sine = t * c;
        const auto turn = [&](double& a, double& b) {
          const double before = a;
          a = c * before - sine * b;
          b = sine * before + c * b;
        };
        for (size_t k = 0; k < n; ++k) turn(s[k * n + p], s[k * n + q]);
        for (size_t k = 0; k < n; ++k) turn(s[p * n + k], s[q * n + k]);
      }
    }
  }
  std::vector<double> values;
  for (size_t j = 0; j < n; ++j) values.push_back(s[j * n + j]);
  std::sort(values.rbegin(), values.rend());
  return values;
}

TEST(Neurons, SingularValuesAreThoseOfJacobi) {
  constexpr int64_t kNeurons = 21, kStride = 24;
  Rng rng(3, Stream::kData);
  for (const int64_t d : {1, 2, 9, 40}) {
    Buffer columns(d * kStride);
    for (int64_t j = 0; j < d; ++j) {
      for (int64_t i = 0; i < kNeurons; ++i) columns[j * kStride + i] = rng.normal();
    }
    std::vector<double> gram;
    for (int64_t j = 0; j < d; ++j) {
      for (int64_t k = 0; k < d; ++k) {
        gram.push_back(0);
        for (int64_t i = 0; i < kNeurons; ++i)
          gram.back() += columns[j * kStride + i] * columns[k * kStride + i];
      }
    }
    const auto eigenvalues = jacobi(gram, static_cast<size_t>(d));
    auto found = singular_values(columns.data(), kStride, d);
    for (auto& value : found) value *= value;
    // With fewer neurons than inputs some are 0.
    EXPECT_LT(relative_difference(found, eigenvalues), 1e-13) << d;
  }
}

TEST(Neurons, SingularValuesOfADivergedNetworkAreNotFinite) {
  Buffer columns(2 * 8);
  columns[0] = INFINITY;
  for (const double value : singular_values(columns.data(), 8, 2))
    EXPECT_FALSE(std::isfinite(value));
}

// A wide network takes long between two records, and must not take that long to stop.
TEST(Simulate, StopsBetweenRecords) {
  auto options = small_options("sgd", 200, 200);
  options.method.steps = 1'000'000'000;
  options.record.spacing = "log";
  options.record.records = 1;  // at 0, 1 and the last step
  options.record.snapshots = {0};
  resolve(options);
  int asked = 0;
  const auto result = simulate(options, settings(options).front(), [&] { return ++asked == 5; });
  EXPECT_EQ(asked, 5);
  EXPECT_EQ(result.records.size(), 2u);
  EXPECT_EQ(result.diverged_at, -1);
}

struct Shape {
  int64_t m, d, batch;
};

// The promise: 1e-9 relative after 1e5 steps, for more neurons than inputs and for fewer.
void expect_reduction_is_exact(const std::string& method, const std::vector<Shape>& shapes,
                               const char* sampling = "with") {
  for (const auto& [m, d, batch] : shapes) {
    auto options = small_options(method, m, d, batch);
    options.method.sampling = sampling;
    const auto gram = observe_at(options, "gram", kLong),
               direct = observe_at(options, "direct", kLong);
    EXPECT_LT(relative_difference(gram, direct), 1e-9)
        << method << " m " << m << " d " << d << " B " << batch;
    EXPECT_GT(direct.distance[0], 1e-3) << "nothing happened";
  }
}

TEST(GramEngine, IsTheNetworkUnderLabelNoise) {
  expect_reduction_is_exact("label-noise-sgd",
                            {{60, 8, 1}, {21, 20, 1}, {5, 8, 1}, {1, 3, 1}, {60, 8, 4}, {6, 8, 7}});
}
TEST(GramEngine, IsTheNetworkUnderSgd) {
  expect_reduction_is_exact("sgd", {{60, 8, 1}, {5, 8, 1}, {60, 8, 5}});
}
TEST(GramEngine, IsTheNetworkWithoutReplacement) {
  expect_reduction_is_exact("label-noise-sgd", {{60, 8, 1}, {60, 8, 8}, {5, 8, 40}}, "without");
}
TEST(GramEngine, IsTheNetworkUnderGradientDescent) {
  expect_reduction_is_exact("gd", {{60, 8, 1}, {5, 8, 1}});
}
TEST(GramEngine, IsTheNetworkUnderSam) {
  expect_reduction_is_exact("sam", {{60, 8, 1}, {21, 20, 1}, {5, 8, 1}});
  auto options = small_options("sam", 60, 8, 4);
  options.method.sigma = {1};
  for (const int64_t m : {60, 6}) {
    options.model.width = m;
    EXPECT_LT(relative_difference(observe_at(options, "gram", kLong),
                                  observe_at(options, "direct", kLong)),
              1e-9);
  }
}

// Without noise minibatch SAM has no such test: it stays where the gradient vanishes and its
// direction hangs on the last bits. All m neurons do not even follow themselves from 1e-15 beside.
TEST(GramEngine, MinibatchSamWithoutNoiseIsChaotic) {
  auto options = small_options("sam", 60, 8, 4);
  EXPECT_LT(
      relative_difference(observe_at(options, "gram", 100), observe_at(options, "direct", 100)),
      1e-12);
  resolve(options);
  const Problem problem = make_problem(options.model, 0);
  const Rule rule = make_rule(options, settings(options).front(), problem.n);
  Buffer columns = initial_columns(rule, 60, 8, 64, 1, 0), beside = columns;
  beside[0] *= 1 + 1e-15;
  const auto one = make_direct(rule, problem, columns, 60, 64, 0);
  const auto other = make_direct(rule, problem, beside, 60, 64, 0);
  one->run_to(1000);
  other->run_to(1000);
  Observation a, b;
  one->observe(a);
  other->observe(b);
  EXPECT_GT(relative_difference(a, b), 1e-6);
}

TEST(GramEngine, IsTheNetworkUnderPeriodicNoise) {
  expect_reduction_is_exact("periodic", {{60, 8, 1}, {5, 8, 3}});
}

// Where a run is looked at on the way changes no bit of it.
TEST(GramEngine, LookingChangesNothing) {
  auto options = small_options("label-noise-sgd", 50, 8);
  resolve(options);
  const Setting setting = settings(options).front();
  const Problem problem = make_problem(options.model, 0);
  const Rule rule = make_rule(options, setting, problem.n);
  const auto once = make_engine(options.model, rule, problem, 0),
             often = make_engine(options.model, rule, problem, 0);
  once->run_to(3001);
  for (const int64_t step : {1, 2, 3, 7, 8, 100, 1023, 1024, 1025, 2500, 3001}) often->run_to(step);
  Observation a, b;
  once->observe(a);
  often->observe(b);
  EXPECT_EQ(a.norm, b.norm);
  EXPECT_EQ(a.theta, b.theta);
}

TEST(GramEngine, ChosenNeuronIsThatOfTheDirectRun) {
  auto options = small_options("sam", 30, 4);
  resolve(options);
  const Problem problem = make_problem(options.model, 0);
  const Rule rule = make_rule(options, settings(options).front(), problem.n);
  options.model.engine = "gram";
  const auto gram = make_engine(options.model, rule, problem, 0);
  options.model.engine = "direct";
  const auto direct = make_engine(options.model, rule, problem, 0);
  gram->run_to(501);
  direct->run_to(501);
  EXPECT_LT(relative_difference(gram->neuron(17), direct->neuron(17)), 1e-10);
}

// The second reference: autograd of the batch's loss as LibTorch computes it.
class Autograd {
 public:
  Autograd(const Problem& problem, const Buffer& columns, int64_t m, int64_t ld)
      : problem_(problem) {
    const int64_t d = problem.d;
    auto* data = const_cast<double*>(columns.data());
    w = at::from_blob(data, {d, ld}, at::kDouble).narrow(1, 0, m).t().contiguous().clone();
    a = at::from_blob(data + d * ld, {ld}, at::kDouble).narrow(0, 0, m).clone();
  }
  // Gradients of (1/B) sum_b 1/2 (a^T W x_b - y_b - eps_b)^2, times `factor`, at the point.
  std::vector<at::Tensor> gradients(const at::Tensor& at_w, const at::Tensor& at_a,
                                    const uint32_t* index, const double* noise, int64_t batch,
                                    double factor) const {
    const auto leaf_w = at_w.detach().clone().requires_grad_(true),
               leaf_a = at_a.detach().clone().requires_grad_(true);
    at::Tensor loss;
    for (int64_t b = 0; b < batch; ++b) {
      const auto x =
          at::from_blob(const_cast<double*>(problem_.input(index[b])), {problem_.d}, at::kDouble);
      const auto r =
          at::sub(at::dot(leaf_a, at::matmul(leaf_w, x)), problem_.targets[index[b]] + noise[b]);
      const auto term = at::mul(at::mul(r, r), 0.5 * factor / static_cast<double>(batch));
      loss = loss.defined() ? at::add(loss, term) : term;
    }
    return torch::autograd::grad({loss}, {leaf_w, leaf_a});
  }
  void step(const Rule& rule, const uint32_t* index, const double* noise) {
    const double factor = rule.rate / rule.lr;
    auto g = gradients(w, a, index, noise, rule.batch, factor);
    if (rule.rho > 0) {
      const double size =
          std::sqrt(g[0].square().sum().item<double>() + g[1].square().sum().item<double>());
      g = gradients(at::add(w, g[0], rule.rho / size), at::add(a, g[1], rule.rho / size), index,
                    noise, rule.batch, factor);
    }
    w.sub_(g[0], rule.lr);
    a.sub_(g[1], rule.lr);
  }
  at::Tensor w, a;

 private:
  const Problem& problem_;
};

TEST(GramEngine, IsAutogradOfTheLoss) {
  constexpr int64_t kSteps = 120;
  for (const auto& [method, batch, loss] : {std::tuple{"label-noise-sgd", int64_t{1}, "half"},
                                            {"label-noise-sgd", int64_t{4}, "full"},
                                            {"sam", int64_t{1}, "half"},
                                            {"sam", int64_t{1}, "full"},
                                            {"sam", int64_t{3}, "half"}}) {
    auto options = small_options(method, 12, 5, batch);
    options.method.loss = loss;
    if (options.method.method == "sam") options.method.sigma = {0.5};
    resolve(options);
    const Problem problem = make_problem(options.model, 0);
    const Rule rule = make_rule(options, settings(options).front(), problem.n);
    Autograd reference(problem, initial_columns(rule, 12, 5, 32, 1, 0), 12, 32);
    Draws draws(rule, problem.n, 0);
    draws.fill(0, kSteps);
    for (int64_t t = 0; t < kSteps; ++t)
      reference.step(rule, draws.index() + t * batch, draws.noise() + t * batch);
    const auto engine = make_engine(options.model, rule, problem, 0);
    ASSERT_EQ(engine->run_to(kSteps), kSteps);
    for (int64_t i = 0; i < 12; ++i) {
      const auto weights = engine->neuron(i);
      for (int64_t j = 0; j < 5; ++j)
        EXPECT_NEAR(weights[static_cast<size_t>(j)], reference.w[i][j].item<double>(), 1e-12)
            << method << " B " << batch;
      EXPECT_NEAR(weights[5], reference.a[i].item<double>(), 1e-12) << method << " B " << batch;
    }
  }
}

// Diagonal network, one SAM step with label noise by hand in one dimension.
TEST(DiagonalEngine, OneSamStepByHand) {
  auto options = small_options("sam", 1, 1);
  options.model.family = "diagonal";
  options.model.samples = 1;
  options.model.init_scale = 0.5;
  options.method.lr = {0.1};
  options.method.rho = {0.2};
  resolve(options);
  const Problem problem = make_problem(options.model, 2);
  const Rule rule = make_rule(options, settings(options).front(), problem.n);
  const auto engine = make_engine(options.model, rule, problem, 2);
  engine->run_to(1);
  const double x = problem.inputs[0], y = problem.targets[0];
  const double g = -y * x;  // at u = v = 1/2
  const double gu = 2 * 0.5 * g, gv = -2 * 0.5 * g, s = 0.2 / std::hypot(gu, gv);
  const double u = 0.5 + s * gu, v = 0.5 + s * gv, moved = ((u * u - v * v) * x - y) * x;
  EXPECT_NEAR(engine->neuron(0)[0], 0.5 - 0.1 * 2 * u * moved, 1e-14);
  EXPECT_NEAR(engine->neuron(0)[1], 0.5 + 0.1 * 2 * v * moved, 1e-14);
}

// HaoChen et al. 2021: with label noise the diagonal network finds the sparse teacher where n < d;
// without it stays dense.
TEST(DiagonalEngine, LabelNoiseFindsTheSparseTeacher) {
  auto options = small_options("label-noise-sgd", 1, 100);
  options.model.family = "diagonal";
  options.model.samples = 40;
  options.model.teacher_nonzeros = 5;
  options.model.teacher_norm = std::sqrt(5.0);
  options.model.init_scale = 0.2;
  options.model.test_samples = 500;
  options.method.lr = {0.01};
  options.method.steps = 200000;
  options.method.sigma = {0.5};
  options.record.records = 2;
  resolve(options);
  const auto noisy = simulate(options, settings(options).front());
  options.method.method = "sgd";
  options.method.sigma = {0};
  const auto clean = simulate(options, settings(options).front());
  EXPECT_LT(noisy.records.back().test_loss, 0.1 * clean.records.back().test_loss);
  EXPECT_LT(clean.records.back().train_loss, 1e-10);
  EXPECT_LT(noisy.records.back().effective_rank, 8);
  EXPECT_GT(clean.records.back().effective_rank, 40);
}

// Eq. 6-7 on a few neurons, spelled out, with the engine's own chain read off its neurons.
TEST(OscillationEngine, FollowsTheEquations) {
  auto options = small_options("oscillation", 37, 3);
  resolve(options);
  const Problem problem = make_problem(options.model, 0);
  const Rule rule = make_rule(options, settings(options).front(), problem.n);
  const auto engine = make_engine(options.model, rule, problem, 0);
  const double level = std::pow(rule.lr, 0.25);
  int64_t ups = 0, downs = 0;
  for (int64_t t = 0; t < 200; ++t) {
    std::vector<std::vector<double>> before, after;
    for (int64_t i = 0; i < 37; ++i) before.push_back(engine->neuron(i));
    engine->run_to(t + 1);
    for (int64_t i = 0; i < 37; ++i) after.push_back(engine->neuron(i));
    std::vector<double> theta(3), gradient(3);
    for (const auto& neuron : before) {
      for (size_t j = 0; j < 3; ++j) theta[j] += neuron[3] * neuron[j];
    }
    for (int64_t s = 0; s < problem.n; ++s) {
      double r = -problem.targets[static_cast<size_t>(s)];
      for (size_t j = 0; j < 3; ++j) r += problem.input(s)[j] * theta[j];
      for (size_t j = 0; j < 3; ++j)
        gradient[j] += r * problem.input(s)[j] / static_cast<double>(problem.n);
    }
    for (size_t i = 0; i < 37; ++i) {
      for (size_t j = 0; j < 3; ++j)
        ASSERT_NEAR(after[i][j], before[i][j] - rule.lr * before[i][3] * gradient[j], 1e-14);
      if (before[i][3] != 0) {
        ASSERT_EQ(after[i][3], 0);
      } else {
        ASSERT_EQ(std::fabs(after[i][3]), level);
        ++(after[i][3] > 0 ? ups : downs);
      }
    }
  }
  EXPECT_NEAR(static_cast<double>(ups) / static_cast<double>(ups + downs), 0.5,
              5 * 0.5 / std::sqrt(static_cast<double>(ups + downs)));
}

TEST(SyntheticRun, DivergenceNamesTheStepAndKeepsTheRecords) {
  auto options = small_options("label-noise-sgd", 60, 8);
  options.method.lr = {0.2};
  options.record.records = 30;
  resolve(options);
  const auto results = simulate_all(options, 1);
  const auto& run = results.front();
  ASSERT_GT(run.diverged_at, 0);
  EXPECT_FALSE(run.records.empty());
  EXPECT_LT(run.records.back().step, run.diverged_at + 1);
  EXPECT_EQ(divergence_message(options, results),
            "synthetic: lr 0.2, sigma 1, rho 0, seed 0 diverged at step " +
                std::to_string(run.diverged_at) +
                " (its residual passed 1e100 or is not a number); " +
                std::to_string(run.records.size()) +
                " records before it are kept; use a smaller --lr (lr times width is 12, stable "
                "below about 2)");
  // The direct engine, which looks at each step, stops at the same one.
  options.model.engine = "direct";
  EXPECT_EQ(simulate(options, settings(options).front()).diverged_at, run.diverged_at);
}

TEST(SyntheticRun, DoesNotDependOnThreads) {
  auto options = small_options("sam", 40, 8);
  options.method.num_seeds = 5;
  options.method.rho = {0.1, 0.2};
  resolve(options);
  const auto one = simulate_all(options, 1), many = simulate_all(options, 3);
  ASSERT_EQ(one.size(), 10u);
  for (size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].setting.seed, many[i].setting.seed);
    EXPECT_EQ(one[i].setting.rho, many[i].setting.rho);
    EXPECT_EQ(one[i].records.back().norm_mean, many[i].records.back().norm_mean);
  }
}

}  // namespace
}  // namespace unlazy::synthetic
