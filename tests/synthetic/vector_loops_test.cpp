#include "synthetic/engine/vector_loops.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/rng.h"
#include "synthetic/engine/draws.h"
#include "synthetic/engine/householder.h"
#include "synthetic/support.h"

namespace unlazy::synthetic {
namespace {

TEST(SyntheticLoops, PhiloxIsTheGeneratorOfCore) {
  constexpr uint64_t kSeed = 0x123456789abcdefULL;
  std::vector<uint64_t> places;
  for (uint64_t step = 0; step < 24; ++step) places.push_back((step * 1000003) << 8 | 1);
  for (int64_t v = 0; v < num_vector_loops(); ++v) {
    std::vector<uint32_t> words(4 * places.size());
    vector_loops(v).philox(kSeed, places.data(), static_cast<int64_t>(places.size()), words.data());
    for (size_t i = 0; i < places.size(); ++i) {
      Rng rng(kSeed, Stream::kOrder, places[i] >> 8);
      for (size_t w = 0; w < 4; ++w)
        EXPECT_EQ(words[w * places.size() + i], rng.bits()) << vector_loops(v).name;
    }
  }
}

// One step on two neurons in one dimension, by hand: f = a1 w1 x + a2 w2 x, r = f - y - eps, w_i -=
// lr r a_i x, a_i -= lr r w_i x.
TEST(SyntheticLoops, OneStepByHand) {
  const Buffer x = [] {
    Buffer b(8);
    b[0] = 2;
    return b;
  }();
  const double y = 1, square = 4, eps = 0.5;
  const uint32_t index = 0;
  for (int64_t v = 0; v < num_vector_loops(); ++v) {
    Buffer columns(16);
    columns[0] = 0.5, columns[1] = -1;  // w
    columns[8] = 2, columns[9] = 0.25;  // a
    const LoopData data{x.data(), &y, &square, 8, 1};
    ASSERT_EQ(vector_loops(v).run(columns.data(), 8, data, {&index, &eps, 1, 0.1, 0}), 1);
    const double r = (2 * 0.5 - 0.25) * 2 - 1.5;  // 0
    EXPECT_DOUBLE_EQ(columns[0], 0.5 - 0.1 * r * 2 * 2);
    const double other_eps = -0.5;
    ASSERT_EQ(vector_loops(v).run(columns.data(), 8, data, {&index, &other_eps, 1, 0.1, 0}), 1);
    const double r2 = 1.5 - 0.5;
    EXPECT_DOUBLE_EQ(columns[0], 0.5 - 0.1 * r2 * 2 * 2);
    EXPECT_DOUBLE_EQ(columns[1], -1 - 0.1 * r2 * 0.25 * 2);
    EXPECT_DOUBLE_EQ(columns[8], 2 - 0.1 * r2 * 0.5 * 2);
    EXPECT_DOUBLE_EQ(columns[9], 0.25 + 0.1 * r2 * 1 * 2);
    EXPECT_EQ(columns[2], 0) << "lanes without a neuron stay 0";
  }
}

// All versions of the loops, odd numbers of steps and several widths: the same to rounding.
TEST(SyntheticLoops, InstructionSetsAgree) {
  for (const int64_t d : {1, 7, 8, 20, 40}) {
    ModelOptions model;
    model.dim = d;
    model.samples = 30;
    const Problem problem = make_problem(model, 3);
    Rule rule{.rate = 1e-3, .lr = 1e-3, .sigma = 1};
    Draws draws(rule, problem.n, 5);
    draws.fill(0, 4003);
    for (const double rho : {0.0, 0.1}) {
      const int64_t ld = round_up(d + 1, 8);
      std::vector<Buffer> ends;
      for (int64_t v = 0; v < num_vector_loops(); ++v) {
        ends.push_back(initial_columns(rule, d + 1, d, ld, 1, 9));
        ASSERT_EQ(vector_loops(v).run(ends.back().data(), ld, problem.loop_data(),
                                      {draws.index(), draws.noise(), 4003, 1e-3, rho}),
                  4003);
        for (int64_t i = 0; i < ends.back().size(); ++i)
          EXPECT_NEAR(ends.back()[i], ends[0][i], 1e-12) << vector_loops(v).name << " d " << d;
      }
    }
  }
}

TEST(SyntheticLoops, ThinQrIsOrthonormalAndGivesBack) {
  for (const auto& [m, k] : {std::pair<int64_t, int64_t>{50, 7}, {9, 9}, {33, 1}}) {
    Buffer u(k * m);
    Rng rng(1, Stream::kProbe);
    for (int64_t i = 0; i < u.size(); ++i) u[i] = rng.normal();
    for (int64_t i = 0; i < m && k > 2; ++i)
      u[2 * m + i] = u[i] + 1e-9 * u[2 * m + i];  // nearly dependent
    Buffer q = u;
    const Buffer r = thin_qr(q.data(), m, k, m, k);
    for (int64_t i = 0; i < k; ++i) {
      for (int64_t j = 0; j < k; ++j) {
        double product = 0;
        for (int64_t row = 0; row < m; ++row) product += q[i * m + row] * q[j * m + row];
        EXPECT_NEAR(product, i == j ? 1 : 0, 1e-13);
      }
      for (int64_t row = 0; row < m; ++row) {
        double back = 0;
        for (int64_t j = 0; j < k; ++j) back += q[j * m + row] * r[i * k + j];
        EXPECT_NEAR(back, u[i * m + row], 1e-13);
      }
    }
  }
}

// The frequencies of samples and signs, within five standard deviations.
TEST(SyntheticDraws, AreUniform) {
  constexpr int64_t kCount = 100000, kSamples = 7;
  Draws draws({.sigma = 2}, kSamples, 11);
  draws.fill(0, kCount);
  std::vector<int64_t> counts(kSamples);
  double sum = 0;
  for (int64_t i = 0; i < kCount; ++i) {
    ++counts[draws.index()[i]];
    EXPECT_EQ(std::fabs(draws.noise()[i]), 2);
    sum += draws.noise()[i];
  }
  for (const int64_t count : counts)
    EXPECT_NEAR(static_cast<double>(count), kCount / 7.0, 5 * std::sqrt(kCount * 6.0 / 49));
  EXPECT_NEAR(sum, 0, 5 * 2 * std::sqrt(static_cast<double>(kCount)));
}

TEST(SyntheticDraws, GaussianNoiseHasItsVariance) {
  constexpr int64_t kCount = 100000;
  Draws draws({.sigma = 3, .is_gaussian = true}, 5, 1);
  draws.fill(0, kCount);
  double squares = 0;
  for (int64_t i = 0; i < kCount; ++i) squares += draws.noise()[i] * draws.noise()[i];
  EXPECT_NEAR(squares / kCount, 9, 5 * 9 * std::sqrt(2.0 / kCount));
}

TEST(SyntheticDraws, WithoutReplacementAnEpochHoldsEverySampleOnce) {
  Draws draws({.batch = 3, .with_replacement = false}, 12, 4);
  draws.fill(4, 4);  // the second epoch: 4 batches of 3
  std::vector<int> seen(12);
  for (int64_t i = 0; i < 12; ++i) ++seen[draws.index()[i]];
  EXPECT_EQ(seen, std::vector<int>(12, 1));
}

TEST(SyntheticDraws, AreAFunctionOfSeedAndStep) {
  Draws whole({.batch = 2, .sigma = 1}, 100, 8), part({.batch = 2, .sigma = 1}, 100, 8);
  whole.fill(0, 50);
  part.fill(37, 5);
  for (int64_t i = 0; i < 10; ++i) {
    EXPECT_EQ(part.index()[i], whole.index()[74 + i]);
    EXPECT_EQ(part.noise()[i], whole.noise()[74 + i]);
  }
}

TEST(SyntheticDraws, NoiseMovesNoSamples) {
  Draws noisy({.sigma = 1}, 100, 8), clean({}, 100, 8);
  noisy.fill(0, 500);
  clean.fill(0, 500);
  for (int64_t i = 0; i < 500; ++i) EXPECT_EQ(noisy.index()[i], clean.index()[i]);
}

TEST(SyntheticDraws, PeriodicNoiseIsOnThenOff) {
  Draws draws({.sigma = 1, .period = 3}, 10, 8);
  draws.fill(0, 9);
  for (int64_t i = 0; i < 9; ++i) EXPECT_EQ(draws.noise()[i] != 0, i < 3 || i >= 6) << i;
}

}  // namespace
}  // namespace unlazy::synthetic
