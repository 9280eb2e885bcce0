#include "synthetic/theory/theory.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/expect_error.h"
#include "synthetic/support.h"
#include "synthetic/theory/lazy_probe.h"
#include "synthetic/theory/overlay.h"
#include "synthetic/theory/phase_two.h"
#include "synthetic/theory/predictions.h"

namespace unlazy::synthetic {
namespace {

// The norm identity under Theorem 2 holds to rounding for every neuron, with either loss.
TEST(SyntheticTheory, NormIdentityIsExact) {
  for (const char* loss : {"half", "full"}) {
    auto options = testing::small_options("label-noise-sgd", 100, 10);
    options.method.loss = loss;
    options.method.sigma = {2};
    resolve(options);
    const auto setting = settings(options).front();
    const auto problem = make_problem(options.model, 0);
    const auto probe =
        probe_lazy(make_rule(options, setting, problem.n), problem, 100, 1, 0, 20000);
    EXPECT_GT(probe.steps, 100);
    EXPECT_LT(probe.identity_error, 1e-12) << loss;
  }
}

// The probe moves its m neurons as the engines do: neurons outside the ball at some step are those
// the direct engine shows.
TEST(SyntheticTheory, ProbeFollowsTheEngines) {
  auto options = testing::small_options("label-noise-sgd", 50, 8);
  options.method.sigma = {4};
  resolve(options);
  const auto problem = make_problem(options.model, 0);
  const Rule rule = make_rule(options, settings(options).front(), problem.n);
  const auto probe = probe_lazy(rule, problem, 50, 1, 0, 5000);
  const int64_t last = probe.steps;
  EXPECT_LT(std::count(probe.escape.begin(), probe.escape.end(), -1), 40);
  const auto engine = make_engine(options.model, rule, problem, 0);
  Observation seen;
  std::vector<int64_t> escape(50, -1);
  for (int64_t t = 1; t <= last; ++t) {
    engine->run_to(t);
    engine->observe(seen);
    for (size_t i = 0; i < 50; ++i) {
      if (escape[i] < 0 && seen.distance[i] > 1 / std::sqrt(50.0)) escape[i] = t;
    }
  }
  EXPECT_EQ(escape, probe.escape);
}

// Lemma 4 as measured elsewhere: below sqrt(lr) by about 1/2 ln(1/lr) lr^-1.5.
TEST(SyntheticTheory, OscillationReachesItsLevel) {
  ModelOptions model;
  for (const auto& [lr, told] : {std::pair{1e-2, 2680.0}, {3e-3, 20700.0}}) {
    const auto probe = probe_oscillation(model, lr, 0);
    EXPECT_NEAR(static_cast<double>(probe.reached), told, 0.25 * told) << lr;
    EXPECT_LE(static_cast<double>(probe.reached), 1 / (lr * lr));
  }
}

TEST(SyntheticTheory, SmallStartAlignsInTheMedianNotInTheMinimum) {
  ModelOptions model;
  const auto probe = probe_alignment(make_problem(model, 0), 1e-3, 1e-3, 0);
  EXPECT_EQ(probe.t2, 6908);
  EXPECT_GT(probe.cos_median, 0.95);
  EXPECT_LT(probe.cos_min, 0.9);
  EXPECT_LT(probe.teacher_distance, 1e-3 * std::log(1e3));
}

TEST(SyntheticTheory, ReportSaysWhichConditionsAreNotMet) {
  auto options = testing::small_options("label-noise-sgd", 1000, 20);
  options.method.lr = {1e-3};
  options.method.sigma = {4};
  options.method.steps = 10;
  resolve(options);
  const auto report = check_theory(options, simulate_all(options, 1));
  std::vector<std::string> met;
  for (const auto& c : report.conditions) met.push_back(c.name + " " + verdict_text(c.verdict));
  EXPECT_EQ(met, (std::vector<std::string>{"A1 holds", "A2 fails", "A3 fails", "A4 fails",
                                           "A5 holds", "A6 -"}));
  const auto claim = [&](const std::string& quantity) {
    for (const auto& c : report.claims) {
      if (c.quantity == quantity) return c;
    }
    ADD_FAILURE() << quantity;
    return Claim{};
  };
  EXPECT_EQ(claim("exit of the last neuron").verdict, Verdict::kHolds);
  EXPECT_NEAR(claim("exit of the last neuron").bound_value,
              384 * std::sqrt(std::log(1000.0)) / (16e-6 * std::sqrt(1000.0)), 1);
  EXPECT_EQ(claim("share of DeltaW <= 0").verdict, Verdict::kVacuous);
  EXPECT_NEAR(claim("share of DeltaW <= 0").measured, 0.92, 0.02);  // measured elsewhere
  EXPECT_EQ(claim("share of DeltaW <= -(sigma/4)^2").verdict, Verdict::kHolds);
  EXPECT_EQ(claim("relative error of |w_i(T)|^2").verdict, Verdict::kHolds);
  EXPECT_EQ(to_json(report)["claims"].size(), report.claims.size());
  EXPECT_NE(to_text(report).find("vacuous"), std::string::npos);
}

TEST(SyntheticTheory, IsForTheLinearFamily) {
  auto options = testing::small_options("label-noise-sgd", 10, 4);
  options.model.family = "diagonal";
  resolve(options);
  unlazy::testing::expect_misuse(
      [&] { check_theory(options, simulate_all(options, 1)); },
      "synthetic: --theory is about the two-layer linear network; use --family linear");
}

// The Phase I equation is solved by its own curve, and tells the measured norm within a few percent
// for as long as cos is flat.
TEST(SyntheticTheory, PhaseOneEquationFollowsTheRun) {
  auto options = testing::small_options("label-noise-sgd", 1000, 20);
  options.model.samples = 200;
  options.method.lr = {1e-3};
  options.method.sigma = {4};
  options.method.steps = 50000;
  resolve(options);
  const auto run = simulate(options, settings(options).front());
  const auto phase = phase_one(options, run);
  for (size_t i = 0; i < phase.step.size(); i += 5) {
    for (const auto& record : run.records) {
      if (std::fabs(static_cast<double>(record.step) / phase.step[i] - 1) > 0.01) continue;
      EXPECT_NEAR(record.norm_mean, phase.norm[i], 0.05) << record.step;
    }
  }
}

TEST(SyntheticTheory, OverlayIsOfRunsThatThePredictionsAreAbout) {
  auto options = testing::small_options("label-noise-sgd", 10, 4);
  options.method.num_seeds = 2;
  resolve(options);
  const auto figure = overlay_figure(options, simulate_all(options, 1));
  ASSERT_TRUE(figure.has_value());
  ASSERT_EQ(figure->panels.size(), 3u);
  const auto& measured = figure->panels[0].series[0];
  EXPECT_EQ(measured.x.back(), 1000);
  EXPECT_EQ(measured.low.size(), measured.x.size());
  options = testing::small_options("sgd", 10, 4);
  resolve(options);
  EXPECT_FALSE(overlay_figure(options, simulate_all(options, 1)).has_value());
}

}  // namespace
}  // namespace unlazy::synthetic
