// The paper's claims, on runs whose numbers are known.
#include "experiments/runs/claims.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/fake_runs.h"
#include "support/scratch_folder.h"

namespace unlazy::experiments {
namespace {

using testing::FakeRun;
using testing::ScratchFolder;

// Runs with and without noise whose accuracies differ by `gains`, seed by seed.
std::vector<Claim> claims_with(const std::vector<double>& gains) {
  const ScratchFolder scratch;
  for (size_t seed = 0; seed < gains.size(); ++seed) {
    // Seeds differ by much more than noise does: only pairs show it.
    const double base = 0.5 + 0.1 * static_cast<double>(seed);
    const auto run = [&](double rate, double end) {
      return FakeRun{.noise_rate = rate,
                     .seed = static_cast<int64_t>(seed),
                     .curves = {{"test_accuracy", [=](double) { return end; }},
                                {"ntk_distance", [=](double) { return rate > 0 ? 0.6 : 0.5; }}}};
    };
    const auto name = std::to_string(seed);
    testing::write_fake_run(scratch / "clean" + name, run(0, base));
    testing::write_fake_run(scratch / "noise" + name, run(0.1, base + gains[seed]));
  }
  auto set = find_runs({scratch.path()});
  const auto groups = groups_of(set);
  return claims_of(set, groups);
}

const Claim& claim_of(const std::vector<Claim>& claims, const std::string& curve) {
  for (const auto& claim : claims) {
    if (claim.number.starts_with(curve + ",")) return claim;
  }
  throw std::logic_error("no claim about " + curve);
}

TEST(Claims, AreDecidedByPairs) {
  const auto claims = claims_with({0.014, 0.016, 0.015});
  const auto& claim = claim_of(claims, "test_accuracy");
  ASSERT_EQ(claim.checks.size(), 1u);
  const auto& check = claim.checks[0];
  EXPECT_EQ(check.with, "noise-rate 0.1");
  EXPECT_EQ(check.without, "noise-rate 0");
  EXPECT_EQ(check.seeds, (std::vector<int64_t>{0, 1, 2}));
  EXPECT_NEAR(check.effect.mean, 0.015, 1e-12);
  EXPECT_NEAR(check.effect.std_error, 0.001 / std::sqrt(3.0), 1e-12);
  EXPECT_EQ(check.effect.verdict, Verdict::kHolds);
  EXPECT_NEAR(claim_of(claims, "ntk_distance").checks.at(0).effect.mean, 0.2, 1e-12);
  EXPECT_TRUE(claim_of(claims, "lazy_distance_test").checks.empty());
  EXPECT_NE(claims_text(claims).find("higher by 1.500 ± 0.058 points, n = 3: holds"),
            std::string::npos)
      << claims_text(claims);
}

TEST(Claims, DoNotHoldWhereTheEffectIsTooSmall) {
  EXPECT_EQ(claim_of(claims_with({0.001, 0.002, 0.0}), "test_accuracy").checks[0].effect.verdict,
            Verdict::kDoesNotHold);
}

TEST(Claims, AreOpenWithOneSeedOrSeedsThatDisagree) {
  EXPECT_EQ(claim_of(claims_with({0.03}), "test_accuracy").checks[0].effect.verdict,
            Verdict::kNotClear);
  EXPECT_EQ(claim_of(claims_with({0.08, -0.04, 0.01}), "test_accuracy").checks[0].effect.verdict,
            Verdict::kNotClear);
}

// The last accuracy of runs that have come to the given epoch; the accuracy is a tenth of it.
FakeRun run_until(double rate, int64_t seed, int64_t epoch, bool is_done) {
  return {.noise_rate = rate,
          .seed = seed,
          .num_epochs = epoch,
          .is_done = is_done,
          .curves = {{"test_accuracy", [=](double) { return static_cast<double>(epoch) / 10; }}}};
}

std::vector<Claim> claims_in(const ScratchFolder& scratch) {
  auto set = find_runs({scratch.path()});
  const auto groups = groups_of(set);
  return claims_of(set, groups);
}

TEST(Claims, AreOpenWhileAPairHasNoNumber) {
  const ScratchFolder scratch;
  for (int64_t seed = 0; seed < 2; ++seed) {
    const auto name = std::to_string(seed);
    testing::write_fake_run(scratch / "clean" + name, run_until(0, seed, 4, true));
    auto noise = run_until(0.1, seed, 4, true);
    noise.curves["test_accuracy"] = [=](double) { return 0.5 + 0.001 * static_cast<double>(seed); };
    testing::write_fake_run(scratch / "noise" + name, noise);
  }
  EXPECT_EQ(claim_of(claims_in(scratch), "test_accuracy").checks.at(0).effect.verdict,
            Verdict::kHolds);
  // A third pair, of which one run is half way.
  testing::write_fake_run(scratch / "clean2", run_until(0, 2, 4, true));
  testing::write_fake_run(scratch / "noise2", run_until(0.1, 2, 2, false));
  const auto claims = claims_in(scratch);
  const auto& check = claim_of(claims, "test_accuracy").checks.at(0);
  EXPECT_EQ(check.seeds, (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(check.effect.verdict, Verdict::kNotClear);
  EXPECT_NEAR(check.effect.mean, 0.1005, 1e-12);
  EXPECT_NE(claims_text(claims).find("n = 2 (1 of 3 pairs without a number): not clear"),
            std::string::npos)
      << claims_text(claims);
}

// Two runs that have come equally far can be compared, finished or not.
TEST(Claims, CompareRunsAtTheSameStep) {
  const ScratchFolder scratch;
  testing::write_fake_run(scratch / "clean", run_until(0, 0, 2, false));
  testing::write_fake_run(scratch / "noise", run_until(0.1, 0, 2, false));
  EXPECT_EQ(claim_of(claims_in(scratch), "test_accuracy").checks.at(0).seeds.size(), 1u);
}

// A network that is better at every density is not sparser.
TEST(Claims, SparserIsAboutWhatPruningTakes) {
  const auto verdict_with = [](double noise_at_dense, double noise_at_half) {
    const ScratchFolder scratch;
    for (const bool has_noise : {false, true}) {
      for (int64_t seed = 0; seed < 2; ++seed) {
        PruningCurve curve{.run = "run", .label = "label", .protocol = "one-shot", .seed = seed};
        curve.settings = {{"noise", has_noise ? "flip" : "none"},
                          {"noise-rate", has_noise ? "0.1" : "0"},
                          {"noise-sigma", "0"}};
        curve.levels.push_back(
            {.target = 1, .density = 1, .accuracy = has_noise ? noise_at_dense : 0.7});
        curve.levels.push_back(
            {.target = 0.5, .density = 0.5, .accuracy = has_noise ? noise_at_half : 0.6});
        const auto folder = scratch / (has_noise ? "noise" : "clean") + std::to_string(seed);
        make_folder(folder);
        write_curve(folder, curve);
      }
    }
    return claim_of(claims_in(scratch), "accuracy of one-shot less that of the dense network")
        .checks.at(0)
        .effect.verdict;
  };
  EXPECT_EQ(verdict_with(0.75, 0.65), Verdict::kDoesNotHold);
  EXPECT_EQ(verdict_with(0.7, 0.65), Verdict::kHolds);
}

}  // namespace
}  // namespace unlazy::experiments
