// Random numbers: the generator against published values and an implementation of its own, draws
// against their distributions. Statistics have a fixed seed, so they pass or fail for good; bounds
// are five standard deviations or a tail of 1e-6.
#include "core/rng.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>

namespace unlazy {
namespace {

using Block = std::array<uint32_t, 4>;

// Philox4x32-10 as in Salmon et al. 2011, section 3.3, written without looking at LibTorch's.
Block philox(Block counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * counter[0], b = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(a)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

// Counter, key and result from the file kat_vectors of the Random123 library.
struct KnownAnswer {
  Block counter;
  std::array<uint32_t, 2> key;
  Block result;
};
const std::array<KnownAnswer, 3> kKnownAnswers = {{
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
}};

uint64_t joined(uint32_t low, uint32_t high) { return uint64_t{high} << 32 | low; }

TEST(Rng, EngineGivesThePublishedValues) {
  for (const auto& answer : kKnownAnswers) {
    EXPECT_EQ(philox(answer.counter, answer.key), answer.result);
    at::philox_engine engine(joined(answer.key[0], answer.key[1]),
                             joined(answer.counter[2], answer.counter[3]),
                             joined(answer.counter[0], answer.counter[1]));
    for (const uint32_t word : answer.result) EXPECT_EQ(engine(), word);
  }
}

// The numbers are part of the meaning of a seed: key = seed, counter = (draw / 4, step * 256 +
// stream).
TEST(Rng, BitsAreThoseOfSeedStreamAndStep) {
  const uint64_t seed = 0x123456789abcdef0, step = 0x1000000005;
  Rng rng(seed, Stream::kNoise, step);
  const uint64_t high = step << 8 | 3;
  for (uint32_t block = 0; block < 5; ++block) {
    const auto expected =
        philox({block, 0, static_cast<uint32_t>(high), static_cast<uint32_t>(high >> 32)},
               {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
    for (const uint32_t word : expected) EXPECT_EQ(rng.bits(), word);
  }
}

TEST(Rng, SameNameSameNumbersOtherNameOtherNumbers) {
  const auto draws = [](uint64_t seed, Stream stream, uint64_t step) {
    Rng rng(seed, stream, step);
    return std::array<uint32_t, 3>{rng.bits(), rng.bits(), rng.bits()};
  };
  std::map<std::array<uint32_t, 3>, int> seen;
  int count = 0;
  for (const uint64_t seed : {0, 1, 42}) {
    for (const auto stream : {Stream::kInit, Stream::kOrder, Stream::kAugment, Stream::kNoise,
                              Stream::kProbe, Stream::kData}) {
      for (const uint64_t step : {0, 1, 2, 1000000}) {
        EXPECT_EQ(draws(seed, stream, step), draws(seed, stream, step));
        ++seen[draws(seed, stream, step)];
        ++count;
      }
    }
  }
  EXPECT_EQ(static_cast<int>(seen.size()), count);
}

TEST(Rng, StreamsAndStepsAreUncorrelated) {
  constexpr int kCount = 100000;
  const auto correlation = [](Rng a, Rng b) {
    double sum = 0;
    for (int i = 0; i < kCount; ++i) sum += (a.uniform() - 0.5) * (b.uniform() - 0.5) * 12;
    return sum / kCount;  // standard deviation 1 / sqrt(n)
  };
  const double bound = 5 / std::sqrt(kCount);
  EXPECT_LT(std::abs(correlation({7, Stream::kOrder, 3}, {7, Stream::kNoise, 3})), bound);
  EXPECT_LT(std::abs(correlation({7, Stream::kNoise, 3}, {7, Stream::kNoise, 4})), bound);
  EXPECT_LT(std::abs(correlation({7, Stream::kNoise, 3}, {8, Stream::kNoise, 3})), bound);
}

TEST(Rng, UniformHasItsMomentsAndRange) {
  constexpr int kCount = 200000;
  Rng rng(1, Stream::kProbe);
  double sum = 0, squares = 0, low = 1, high = 0;
  for (int i = 0; i < kCount; ++i) {
    const double u = rng.uniform();
    sum += u;
    squares += u * u;
    low = std::min(low, u);
    high = std::max(high, u);
  }
  EXPECT_NEAR(sum / kCount, 0.5, 5 * std::sqrt(1.0 / 12 / kCount));
  EXPECT_NEAR(squares / kCount, 1.0 / 3, 5 * std::sqrt(4.0 / 45 / kCount));
  EXPECT_GE(low, 0);
  EXPECT_LT(high, 1);
  EXPECT_LT(low, 1e-4);
  EXPECT_GT(high, 1 - 1e-4);
}

double chi_squared(const std::vector<int>& counts, double expected) {
  double sum = 0;
  for (const int count : counts) sum += (count - expected) * (count - expected) / expected;
  return sum;
}

TEST(Rng, BelowIsUniform) {
  constexpr int kCount = 100000;
  for (const uint32_t n : {1u, 2u, 7u, 10u}) {
    Rng rng(2, Stream::kOrder, n);
    std::vector<int> counts(n);
    for (int i = 0; i < kCount; ++i) ++counts.at(rng.below(n));
    EXPECT_LT(chi_squared(counts, double{kCount} / n), 45)
        << n;  // chi^2 of 9 degrees of freedom: P(> 45) = 9e-7
  }
}

// Multiplying and shifting alone would give every third number below 3 * 2^30 twice as often: here
// its whole effect shows.
TEST(Rng, BelowHasNoBiasForLargeRanges) {
  constexpr int kCount = 30000;
  Rng rng(3, Stream::kOrder);
  std::vector<int> counts(3);
  for (int i = 0; i < kCount; ++i) ++counts[rng.below(3u << 30) % 3];
  EXPECT_LT(chi_squared(counts, kCount / 3.0), 28);  // 2 degrees of freedom: P(> 28) = 8e-7
}

TEST(Rng, BernoulliKeepsItsEndsAndRate) {
  constexpr int kCount = 100000;
  Rng rng(4, Stream::kNoise);
  int never = 0, always = 0, sometimes = 0;
  for (int i = 0; i < kCount; ++i) {
    never += rng.bernoulli(0);
    always += rng.bernoulli(1);
    sometimes += rng.bernoulli(0.1);
  }
  EXPECT_EQ(never, 0);
  EXPECT_EQ(always, kCount);
  EXPECT_NEAR(sometimes, 0.1 * kCount, 5 * std::sqrt(0.09 * kCount));
}

TEST(Rng, SignIsBalanced) {
  constexpr int kCount = 100000;
  Rng rng(5, Stream::kProbe);
  double sum = 0;
  for (int i = 0; i < kCount; ++i) {
    const double sign = rng.sign();
    ASSERT_TRUE(sign == 1 || sign == -1);
    sum += sign;
  }
  EXPECT_LT(std::abs(sum), 5 * std::sqrt(kCount));
}

TEST(Rng, NormalHasItsMomentsAndTails) {
  constexpr int kCount = 200000;
  Rng rng(6, Stream::kProbe);
  std::array<double, 5> moments{};
  int beyond_two = 0;
  for (int i = 0; i < kCount; ++i) {
    const double x = rng.normal();
    for (int k = 1; k <= 4; ++k) moments[static_cast<size_t>(k)] += std::pow(x, k) / kCount;
    beyond_two += std::abs(x) > 2;
  }
  const double unit = 5 / std::sqrt(kCount);
  EXPECT_NEAR(moments[1], 0, unit);                 // Var x = 1
  EXPECT_NEAR(moments[2], 1, unit * std::sqrt(2));  // Var x^2 = 2
  EXPECT_NEAR(moments[3], 0, unit * std::sqrt(15));
  EXPECT_NEAR(moments[4], 3, unit * std::sqrt(96));
  EXPECT_NEAR(beyond_two, 0.0455003 * kCount, 5 * std::sqrt(0.0455 * 0.9545 * kCount));
}

TEST(Rng, PermutationIsOneAndUniform) {
  Rng rng(7, Stream::kOrder);
  auto order = rng.permutation(1000);
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
  std::sort(order.begin(), order.end());
  for (int64_t i = 0; i < 1000; ++i) ASSERT_EQ(order[static_cast<size_t>(i)], i);
  EXPECT_EQ(rng.permutation(1), std::vector<int64_t>{0});
  EXPECT_TRUE(rng.permutation(0).empty());

  std::map<std::vector<int64_t>, int> counts;
  for (int i = 0; i < 24000; ++i) ++counts[rng.permutation(4)];
  ASSERT_EQ(counts.size(), 24u);
  std::vector<int> list;
  for (const auto& [permutation, count] : counts) list.push_back(count);
  EXPECT_LT(chi_squared(list, 1000), 72);  // 23 degrees of freedom: P(> 72) = 6e-7
}

TEST(Rng, SampleHasNoDoubles) {
  Rng rng(8, Stream::kOrder);
  std::vector<int> counts(10);
  for (int i = 0; i < 10000; ++i) {
    auto sample = rng.sample(10, 3);
    for (const auto entry : sample) ++counts.at(static_cast<size_t>(entry));
    std::sort(sample.begin(), sample.end());
    ASSERT_EQ(std::unique(sample.begin(), sample.end()), sample.end());
    ASSERT_EQ(sample.size(), 3u);
  }
  for (const int count : counts) EXPECT_NEAR(count, 3000, 5 * std::sqrt(10000 * 0.3 * 0.7));
}

}  // namespace
}  // namespace unlazy
