#include "experiments/lazy_statements.h"

#include <gtest/gtest.h>

#include <cmath>

namespace unlazy::experiments {
namespace {

// A seed whose test loss ends at `with` and `without`; its other curves do not move.
Runs seed_of(double with, double without) {
  const auto curve = [](double last) { return report::Curve{{0, 1}, {0, 1}, {1, last}}; };
  Runs runs(4);
  for (auto& run : runs)
    run = {{"train_set_loss", curve(1)}, {"test_loss", curve(1)}, {"first_layer_norm", curve(1)}};
  runs[kPerturbed]["test_loss"] = curve(with);
  runs[kClean]["test_loss"] = curve(without);
  return runs;
}

Statement test_loss_statement(const std::vector<Runs>& seeds) {
  for (auto& statement : statements_of(seeds, "SAM")) {
    if (statement.text == "The test loss ends lower with SAM than without") return statement;
  }
  ADD_FAILURE() << "no such statement";
  return {};
}

TEST(LazyStatements, ATinyFallIsNone) {
  const auto tiny = test_loss_statement({seed_of(0.9998, 1)});
  EXPECT_EQ(tiny.verdict, Verdict::kDoesNotHold);
  EXPECT_EQ(tiny.effect_text(), "lower by 0.02 % (claimed: 1 % or more, and above 0 %)");
  EXPECT_EQ(test_loss_statement({seed_of(0.98, 1)}).verdict, Verdict::kHolds);
  EXPECT_EQ(
      test_loss_statement({seed_of(0.9998, 1), seed_of(0.9997, 1), seed_of(0.9999, 1)}).verdict,
      Verdict::kDoesNotHold)
      << "however well the seeds agree";
}

TEST(LazyStatements, TheMeanMustLieBeyondTheSeedsSpread) {
  const auto clear = test_loss_statement({seed_of(0.90, 1), seed_of(0.91, 1), seed_of(0.92, 1)});
  EXPECT_EQ(clear.verdict, Verdict::kHolds);
  ASSERT_EQ(clear.effects.size(), 1u);
  EXPECT_NEAR(clear.effects[0].mean, 0.09, 1e-12);
  EXPECT_NEAR(clear.effects[0].margin, 4.303 * 0.01 / std::sqrt(3.0), 1e-12);
  const auto spread = test_loss_statement({seed_of(0.80, 1), seed_of(0.99, 1), seed_of(1.0, 1)});
  EXPECT_EQ(spread.verdict, Verdict::kNotClear);
  EXPECT_TRUE(spread.effect_text().starts_with("lower by 7 % ± ")) << spread.effect_text();
}

TEST(LazyStatements, WhatIsNotANumberIsNotClear) {
  const auto none = test_loss_statement({seed_of(NAN, 1)});
  EXPECT_EQ(none.verdict, Verdict::kNotClear);
  EXPECT_EQ(none.numbers, "with no number; without 1");
  EXPECT_EQ(none.effect_text().find("nan"), std::string::npos);
}

TEST(LazyStatements, TextsAreSentencesOfTheirOwn) {
  for (const auto& statement : statements_of({seed_of(0.9, 1)}, "label noise")) {
    EXPECT_FALSE(statement.text.starts_with("Nor") ||
                 statement.text.find(" they ") != std::string::npos)
        << statement.text;
    EXPECT_FALSE(statement.effects.empty());
  }
}

}  // namespace
}  // namespace unlazy::experiments
