// Each kind of label noise against its own definition; the schedule; the exact texts of misuse.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <numeric>

#include "noise/label_noise.h"
#include "support/expect_error.h"

namespace unlazy::noise {
namespace {

using testing::expect_error;
using testing::expect_misuse;

std::unique_ptr<LabelNoise> make(const std::string& kind, double rate, int64_t num_classes = 10,
                                 uint64_t seed = 0) {
  NoiseContext context;
  context.options.kind = kind;
  context.options.rate = rate;
  context.num_classes = num_classes;
  context.seed = seed;
  return make_noise(context);
}

// Labels of samples 0 .. B-1 after noise; the true ones are index mod K unless given.
std::vector<int64_t> noisy(const LabelNoise& noise, const std::vector<int64_t>& labels,
                           int64_t step = 0, double factor = 1) {
  std::vector<int64_t> indices(labels.size()), result(labels.size());
  std::iota(indices.begin(), indices.end(), 0);
  Rng rng(0, Stream::kNoise, static_cast<uint64_t>(step));
  noise.labels(indices, labels, factor, rng, result);
  return result;
}

std::vector<int64_t> cycling(int64_t count, int64_t num_classes) {
  std::vector<int64_t> labels(static_cast<size_t>(count));
  for (size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<int64_t>(i) % num_classes;
  return labels;
}

int64_t num_different(const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
  int64_t count = 0;
  for (size_t i = 0; i < a.size(); ++i) count += a[i] != b[i] ? 1 : 0;
  return count;
}

// Within 5 standard deviations of a binomial count.
void expect_rate(int64_t count, int64_t trials, double rate) {
  const auto n = static_cast<double>(trials);
  EXPECT_NEAR(static_cast<double>(count), n * rate, 5 * std::sqrt(n * rate * (1 - rate)) + 1e-9);
}

// `counts` are of equally likely outcomes: chi^2 within 5 of its standard deviations sqrt(2 f).
void expect_uniform(const std::map<int64_t, int64_t>& counts, size_t num_outcomes) {
  ASSERT_EQ(counts.size(), num_outcomes);
  double total = 0;
  for (const auto& [outcome, count] : counts) total += static_cast<double>(count);
  const double expected = total / static_cast<double>(num_outcomes);
  double chi2 = 0;
  for (const auto& [outcome, count] : counts)
    chi2 += std::pow(static_cast<double>(count) - expected, 2) / expected;
  const auto freedom = static_cast<double>(num_outcomes - 1);
  EXPECT_LT(chi2, freedom + 5 * std::sqrt(2 * freedom));
}

constexpr int64_t kMany = 40000;

TEST(Flip, ReplacesAtTheRateByAnotherClassUniformly) {
  const auto labels = cycling(kMany, 10);
  for (const double rate : {.05, .1, .2, .5, 1.0}) {
    const auto result = noisy(*make("flip", rate), labels);
    expect_rate(num_different(result, labels), kMany, rate);
    std::map<int64_t, int64_t> offsets;
    for (size_t i = 0; i < labels.size(); ++i) {
      if (result[i] != labels[i]) ++offsets[(result[i] - labels[i] + 10) % 10];
    }
    expect_uniform(offsets, 9);
  }
}

TEST(Flip, TwoClassesSwap) {
  EXPECT_EQ(noisy(*make("flip", 1, 2), {0, 1, 1, 0}), (std::vector<int64_t>{1, 0, 0, 1}));
}

TEST(Flip, IsDrawnAnewAtEachStep) {
  const auto labels = cycling(1000, 10);
  const auto noise = make("flip", .5);
  EXPECT_NE(noisy(*noise, labels, 0), noisy(*noise, labels, 1));
  EXPECT_EQ(noisy(*noise, labels, 7), noisy(*noise, labels, 7));
}

// A larger rate keeps the smaller one's flips: the draws do not depend on the rate, nor on what
// became of earlier labels.
TEST(Flip, LargerRatesContainSmallerOnes) {
  const auto labels = cycling(1000, 10);
  const auto few = noisy(*make("flip", .1), labels), many = noisy(*make("flip", .3), labels);
  for (size_t i = 0; i < labels.size(); ++i) {
    if (few[i] != labels[i]) {
      EXPECT_EQ(many[i], few[i]);
    }
  }
}

TEST(FlipAny, IsUniformOverAllClassesAtRateOne) {
  const auto labels = cycling(kMany, 10);
  std::map<int64_t, int64_t> counts;
  for (const auto label : noisy(*make("flip-any", 1), labels)) ++counts[label];
  expect_uniform(counts, 10);
  expect_rate(num_different(noisy(*make("flip-any", .5), labels), labels), kMany, .45);
}

TEST(FixedCount, FlipsFloorOfRateTimesBatch) {
  const auto labels = cycling(128, 10);
  const std::map<double, int64_t> expected = {{.05, 6}, {.1, 12}, {.2, 25}, {1, 128}};
  for (const auto& [rate, count] : expected) {
    for (int64_t step = 0; step < 20; ++step) {
      EXPECT_EQ(num_different(noisy(*make("fixed-count", rate), labels, step), labels), count);
    }
  }
}

TEST(FixedCount, ChoosesPlacesAndClassesUniformly) {
  const auto labels = cycling(16, 4);
  std::map<int64_t, int64_t> places, offsets;
  for (int64_t step = 0; step < 4000; ++step) {
    const auto result = noisy(*make("fixed-count", .25, 4), labels, step);
    for (size_t i = 0; i < labels.size(); ++i) {
      if (result[i] == labels[i]) continue;
      ++places[static_cast<int64_t>(i)];
      ++offsets[(result[i] - labels[i] + 4) % 4];
    }
  }
  expect_uniform(places, 16);
  expect_uniform(offsets, 3);
}

TEST(Static, IsAFunctionOfSeedAndSample) {
  const auto labels = cycling(kMany, 10);
  const auto noise = make("static", .2);
  const auto result = noisy(*noise, labels, 0);
  EXPECT_EQ(noisy(*noise, labels, 1), result) << "the step does not matter";
  EXPECT_NE(noisy(*make("static", .2, 10, 1), labels), result) << "the seed does";
  expect_rate(num_different(result, labels), kMany, .2);
  // Samples in another order have the same labels.
  const std::vector<int64_t> indices = {977, 3, 12345};
  const std::vector<int64_t> some = {labels[977], labels[3], labels[12345]};
  std::vector<int64_t> again(3);
  Rng rng(5, Stream::kNoise, 9);
  noise->labels(indices, some, 1, rng, again);
  EXPECT_EQ(again, (std::vector<int64_t>{result[977], result[3], result[12345]}));
}

TEST(Asymmetric, MapsSimilarClasses) {
  // airplane automobile bird cat deer dog frog horse ship truck
  EXPECT_EQ(noisy(*make("asymmetric", 1), cycling(10, 10)),
            (std::vector<int64_t>{0, 1, 0, 5, 7, 3, 6, 7, 8, 1}));
  const std::vector<int64_t> cats(kMany, 3);
  expect_rate(num_different(noisy(*make("asymmetric", .4), cats), cats), kMany, .4);
  expect_misuse([] { make("asymmetric", .1, 100); },
                "noise: asymmetric is defined for the 10 classes of CIFAR-10, got 100; use --noise "
                "pair or --noise flip");
}

TEST(Pair, MapsToTheNextClass) {
  EXPECT_EQ(noisy(*make("pair", 1, 3), {0, 1, 2}), (std::vector<int64_t>{1, 2, 0}));
  const auto labels = cycling(kMany, 10);
  expect_rate(num_different(noisy(*make("pair", .3), labels), labels), kMany, .3);
}

std::vector<float> noise_on_targets(const std::string& kind, double sigma, double factor,
                                    size_t count = kMany) {
  NoiseContext context;
  context.options.kind = kind;
  context.options.sigma = sigma;
  std::vector<float> targets(count, 3.f);
  Rng rng(0, Stream::kNoise, 2);
  make_noise(context)->targets(factor, rng, targets);
  return targets;
}

TEST(Rademacher, AddsPlusOrMinusSigma) {
  int64_t num_plus = 0;
  for (const float target : noise_on_targets("rademacher", 4, .5)) {
    EXPECT_TRUE(target == 5.f || target == 1.f) << target;
    num_plus += target == 5.f ? 1 : 0;
  }
  expect_rate(num_plus, kMany, .5);
}

// Mean 0 +- sigma / sqrt(n), variance sigma^2 (1 +- sqrt(2 / n)), fourth moment 3 sigma^4 (1 +-
// sqrt(96 / 9 / n)).
TEST(Gaussian, HasTheMomentsOfANormal) {
  double mean = 0, variance = 0, fourth = 0;
  for (const float target : noise_on_targets("gaussian", 4, .5)) {
    const double z = (target - 3) / 2;
    mean += z / kMany;
    variance += z * z / kMany;
    fourth += z * z * z * z / kMany;
  }
  EXPECT_NEAR(mean, 0, 5 / std::sqrt(kMany));
  EXPECT_NEAR(variance, 1, 5 * std::sqrt(2.0 / kMany));
  EXPECT_NEAR(fourth, 3, 5 * std::sqrt(96.0 / kMany));
}

NoiseOptions scheduled(const char* start, const char* end, const char* ramp, const char* period) {
  NoiseOptions options;
  options.start = Step::parse(start, "start");
  options.end = Step::parse(end, "end");
  options.ramp = Step::parse(ramp, "ramp");
  options.period = Step::parse(period, "period");
  return options;
}

TEST(NoiseSchedule, StartsAndEnds) {
  const NoiseSchedule schedule(scheduled("1ep", "25it", "0it", "never"), 10);
  EXPECT_EQ(schedule.factor(9), 0);
  EXPECT_EQ(schedule.factor(10), 1);
  EXPECT_EQ(schedule.factor(24), 1);
  EXPECT_EQ(schedule.factor(25), 0);
  EXPECT_EQ(NoiseSchedule(NoiseOptions{}, 10).factor(0), 1);
}

TEST(NoiseSchedule, RampsLinearly) {
  const NoiseSchedule schedule(scheduled("10it", "never", "8it", "never"), 1);
  EXPECT_EQ(schedule.factor(10), 0);
  EXPECT_EQ(schedule.factor(12), .25);
  EXPECT_EQ(schedule.factor(17), .875);
  EXPECT_EQ(schedule.factor(18), 1);
  EXPECT_EQ(schedule.factor(1000), 1);
}

TEST(NoiseSchedule, PeriodsBeginWithNoise) {
  const NoiseSchedule schedule(scheduled("3it", "never", "0it", "5it"), 1);
  for (int64_t step = 0; step < 30; ++step) {
    EXPECT_EQ(schedule.factor(step), step >= 3 && (step - 3) / 5 % 2 == 0 ? 1 : 0) << step;
  }
}

TEST(NoiseSchedule, RefusesWhatLeavesNoNoise) {
  expect_misuse(
      [] { NoiseSchedule(scheduled("20it", "10it", "0it", "never"), 1); },
      "noise: --noise-end 10it is not after --noise-start 20it, so there would be no noise");
  expect_misuse([] { NoiseSchedule(scheduled("0it", "never", "0it", "0it"), 1); },
                "noise: --noise-period must be at least one step, got 0it");
  expect_misuse([] { NoiseSchedule(scheduled("0it", "never", "never", "never"), 1); },
                "noise: --noise-ramp never leaves no noise; use a length such as 10ep");
}

TEST(NoiseOptions, RateIsChecked) {
  NoiseOptions options;
  Options table("train", {describe(options)});
  expect_misuse(
      [&] {
        table.parse({"--noise-rate", "1.5"});
      },
      "--noise-rate must be in [0, 1], got 1.5");
  expect_misuse(
      [&] {
        table.parse({"--noise-sigma", "-1"});
      },
      "--noise-sigma must be >= 0, got -1");
  expect_misuse(
      [&] {
        table.parse({"--noise", "flipp"});
      },
      "--noise: there is no 'flipp'; did you mean 'flip'?");
}

TEST(NoiseOptions, UnusedOnesAreRefused) {
  const auto refuse = [](const std::vector<std::string>& flags) {
    NoiseOptions options;
    Options table("train", {describe(options)});
    table.parse(flags);
    table.refuse_without_effect();
  };
  const std::string labels = "--noise flip, flip-any, fixed-count, static, asymmetric, pair",
                    targets = "--noise rademacher, gaussian";
  expect_misuse(
      [&] {
        refuse({"--noise-rate", "0.1"});
      },
      "--noise-rate 0.1 has no effect with --noise none; leave it out, or give " + labels);
  expect_misuse(
      [&] {
        refuse({"--noise", "gaussian", "--noise-rate", "0.1"});
      },
      "--noise-rate 0.1 has no effect with --noise gaussian; leave it out, or give " + labels);
  expect_misuse(
      [&] {
        refuse({"--noise", "flip", "--noise-sigma", "2"});
      },
      "--noise-sigma 2 has no effect with --noise flip; leave it out, or give " + targets);
  expect_misuse(
      [&] {
        refuse({"--noise-period", "2ep"});
      },
      "--noise-period 2ep has no effect with --noise none; leave it out, or give " + labels +
          ", rademacher, gaussian");
  refuse({"--noise", "flip", "--noise-rate", "0", "--noise-period", "2ep"});
}

TEST(NoiseOptions, TheSizeIsNotLeftOut) {
  const auto take = [](const std::vector<std::string>& flags) {
    NoiseOptions options;
    Options table("train", {describe(options)});
    table.parse(flags);
    table.refuse_without_effect();
  };
  for (const auto& entry : registry().entries()) {
    if (entry.name == "none") continue;
    const bool is_for_targets =
        make_noise({.options = {.kind = entry.name, .rate = 0.1}, .num_classes = 10})
            ->is_for_targets();
    const std::string size = is_for_targets ? "--noise-sigma" : "--noise-rate";
    expect_misuse(
        [&] {
          take({"--noise", entry.name});
        },
        "--noise " + entry.name + " needs " + size + ", such as " + size + " 0.1; give " + size +
            " 0 if you mean none");
    take({"--noise", entry.name, size, "0"});
  }
  take({"--noise", "none"});
}

TEST(NoiseOptions, WrongUseOfAKindIsRefused) {
  expect_misuse([] { make("flip", .1, 1); }, "noise: flip needs at least 2 classes, got 1");
  Rng rng(0, Stream::kNoise);
  std::vector<float> targets(3);
  expect_misuse([&] { make("flip", .1)->targets(1, rng, targets); },
                "noise: this kind acts on class labels, not on regression targets");
  NoiseContext context;
  context.options.kind = "rademacher";
  const auto noise = make_noise(context);
  expect_misuse([&] { noisy(*noise, {1}); },
                "noise: this kind acts on regression targets, not on class labels");
}

}  // namespace
}  // namespace unlazy::noise
