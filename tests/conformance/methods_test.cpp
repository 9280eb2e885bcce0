// What every method of the two-layer network keeps to, whoever adds it.
#include <gtest/gtest.h>

#include "synthetic/method.h"
#include "synthetic/support.h"

namespace unlazy::synthetic {
namespace {

using testing::observe_at;
using testing::relative_difference;
using testing::small_options;

template <class Check>
void for_each_method(const Check& check) {
  for (const auto& entry : methods().entries()) {
    SCOPED_TRACE(entry.name);
    check(entry.name, entry.make());
  }
}

TEST(Methods, AreDescribed) {
  for (const auto& entry : methods().entries()) {
    EXPECT_GT(entry.help.size(), 10u) << entry.name;
    EXPECT_EQ(entry.help.back(), '.') << entry.name;
  }
}

TEST(Methods, RunOnBothFamiliesAndRepeat) {
  for_each_method([](const std::string& name, const Method& method) {
    for (const char* family : {"linear", "diagonal"}) {
      if (method.rule.is_oscillation && std::string(family) == "diagonal") continue;
      auto options = small_options(name, 30, 6);
      options.model.family = family;
      options.model.init_scale = 0.5;
      resolve(options);
      const auto once = simulate(options, settings(options).front()),
                 again = simulate(options, settings(options).front());
      EXPECT_EQ(once.diverged_at, -1);
      EXPECT_EQ(once.records.back().step, 1000);
      for (const auto& q : quantities()) {
        EXPECT_TRUE(std::isfinite(once.records.back().*q.value)) << q.name;
        EXPECT_EQ(once.records.back().*q.value, again.records.back().*q.value) << q.name;
      }
    }
  });
}

TEST(Methods, GramIsDirect) {
  for_each_method([](const std::string& name, const Method& method) {
    if (method.rule.is_oscillation) return;  // has no reduction
    EXPECT_LT(relative_difference(observe_at(small_options(name, 30, 6), "gram", 5000),
                                  observe_at(small_options(name, 30, 6), "direct", 5000)),
              1e-10);
  });
}

// The loss r^2 is 1/2 r^2 with gradients doubled: at half the learning rate the same run (lr also
// sets the oscillation's level).
TEST(Methods, FullLossIsHalfLossAtTwiceTheRate) {
  for_each_method([](const std::string& name, const Method& method) {
    if (method.rule.is_oscillation) return;
    auto half = small_options(name, 30, 6), full = half;
    full.method.loss = "full";
    full.method.lr = {half.method.lr[0] / 2};
    EXPECT_LT(relative_difference(observe_at(half, "gram", 1000), observe_at(full, "gram", 1000)),
              1e-12);
  });
}

// Exact identities: no noise is SGD, no radius is SGD.
TEST(Methods, WithoutNoiseOrRadiusAreSgd) {
  for_each_method([](const std::string& name, const Method& method) {
    if (!method.takes_sigma && !method.takes_rho) return;
    for (const int64_t batch : {1, 3}) {
      auto options = small_options(name, 30, 6, batch);
      options.method.sigma = {0};
      options.method.rho = {0};
      EXPECT_EQ(observe_at(options, "gram", 500).norm,
                observe_at(small_options("sgd", 30, 6, batch), "gram", 500).norm);
    }
  });
}

TEST(Methods, BatchOfAllWithoutReplacementIsGradientDescent) {
  auto all = small_options("sgd", 30, 6, 40);
  all.method.sampling = "without";
  EXPECT_LT(relative_difference(observe_at(all, "gram", 500),
                                observe_at(small_options("gd", 30, 6), "gram", 500)),
            1e-11);
}

}  // namespace
}  // namespace unlazy::synthetic
