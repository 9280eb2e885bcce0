// The presets against tables that an independent prototype measured. Bounds: a third of the value's
// spread over seeds cannot be known to the last digit from a table of means, so 4 standard errors
// of our mean plus what rounding of the table leaves.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/format.h"
#include "core/options.h"
#include "core/paths.h"
#include "synthetic/support.h"

namespace unlazy::synthetic {
namespace {

SyntheticOptions preset(const std::string& name) {
  SyntheticOptions o;
  Options options("synthetic", {describe(o.model), describe(o.method), describe(o.record)});
  options.read_file(find_preset(name, "synthetic"));
  return o;
}

struct Expected {
  int64_t step;
  double Record::*value;
  double mean;
  double relative;  // beyond the spread: what the table's last digit and its own seeds leave
};

void expect_table(SyntheticOptions options, const std::vector<Expected>& table) {
  for (const auto& row : table) options.record.snapshots.push_back(row.step);
  options.record.records = 2;
  resolve(options);
  const auto results = simulate_all(options, 0);
  for (const auto& row : table) {
    const auto band = band_over_seeds(results, 0, row.value);
    const auto place =
        std::find(band.steps.begin(), band.steps.end(), static_cast<double>(row.step)) -
        band.steps.begin();
    const auto t = static_cast<size_t>(place);
    ASSERT_LT(t, band.steps.size()) << row.step;
    const double spread = band.sd.empty() ? 0 : band.sd[t];
    EXPECT_NEAR(band.mean[t], row.mean, 3 * spread + row.relative * row.mean)
        << "step " << row.step;
    EXPECT_LT(spread, 0.35 * row.mean)
        << "a spread that would let anything pass, step " << row.step;
  }
}

TEST(SyntheticPresets, Fig2HasItsTwoPhases) {
  expect_table(preset("fig2"), {{0, &Record::norm_mean, .987, .003},
                                {10000, &Record::norm_mean, .852, .005},
                                {100000, &Record::norm_mean, .394, .01},
                                {200000, &Record::norm_mean, .218, .01},
                                {500000, &Record::norm_mean, .079, .02},
                                {1000000, &Record::norm_mean, .0557, .02},
                                {0, &Record::cos_abs_mean, .180, .003},
                                {100000, &Record::cos_abs_mean, .193, .02},
                                {200000, &Record::cos_abs_mean, .262, .02},
                                {500000, &Record::cos_abs_mean, .592, .02},
                                {1000000, &Record::cos_abs_mean, .853, .01},
                                {1000000, &Record::align_abs_mean, .0519, .02},
                                {100000, &Record::a_abs_mean, .0126, .05},
                                {10000, &Record::a_abs_mean, .0132, .05}});
}

TEST(SyntheticPresets, Fig2WithoutNoiseStaysLazy) {
  auto options = preset("fig2");
  options.method.sigma = {0};
  options.method.steps = 100000;
  options.method.num_seeds = 2;
  options.record.snapshots = {};
  options.record.records = 5;
  resolve(options);
  for (const auto& run : simulate_all(options, 0)) {
    EXPECT_EQ(run.records.back().outside_share, 0);
    EXPECT_LT(run.records.back().train_loss, 1e-29);
    EXPECT_NEAR(run.records.back().norm_mean, run.records.front().norm_mean, 1e-3);
  }
}

TEST(SyntheticPresets, Fig2InHundredThousandSteps) {
  expect_table(preset("fig2-100k"),
               {{100000, &Record::norm_mean, .12, .05}, {100000, &Record::cos_abs_mean, .83, .02}});
}

TEST(SyntheticPresets, Fig4HasItsTwoPhases) {
  expect_table(preset("fig4"), {{0, &Record::norm_mean, .986, .003},
                                {1000, &Record::norm_mean, .775, .02},
                                {10000, &Record::norm_mean, .311, .02},
                                {30000, &Record::norm_mean, .102, .02},
                                {100000, &Record::norm_mean, .054, .02},
                                {0, &Record::cos_abs_mean, .179, .005},
                                {1000, &Record::cos_abs_mean, .180, .01},
                                {10000, &Record::cos_abs_mean, .213, .02},
                                {30000, &Record::cos_abs_mean, .492, .02},
                                {100000, &Record::cos_abs_mean, .974, .01}});
}

TEST(SyntheticPresets, OscillationDiminishesTheNeurons) {
  expect_table(preset("oscillation"), {{0, &Record::norm_mean, .984, .005},
                                       {25000, &Record::norm_mean, .668, .02},
                                       {50000, &Record::norm_mean, .467, .02},
                                       {100000, &Record::norm_mean, .244, .03},
                                       {200000, &Record::norm_mean, .081, .05}});
}

TEST(SyntheticPresets, PeriodicNoiseDiminishesOnlyWhileItIsOn) {
  expect_table(preset("periodic"), {
                                       {0, &Record::norm_mean, .9856, .003},
                                       {5000, &Record::norm_mean, .9082, .005},
                                       {10000, &Record::norm_mean, .9078, .005},
                                       {15000, &Record::norm_mean, .8485, .005},
                                       {20000, &Record::norm_mean, .8482, .005},
                                       {25000, &Record::norm_mean, .7983, .005},
                                       {5000, &Record::a_abs_mean, .0160, .05},
                                   });
}

// The reduction against all neurons after ten million steps: no refresh of Q and Y is needed.
TEST(SyntheticPresets, TenMillionStepsDoNotDrift) {
  auto options = testing::small_options("label-noise-sgd", 9, 3);
  options.method.steps = 10000000;
  const double drift =
      testing::relative_difference(testing::observe_at(options, "gram", 10000000),
                                   testing::observe_at(options, "direct", 10000000));
  RecordProperty("drift", number_text(drift));
  EXPECT_LT(drift, 1e-9);
}

// The cost of a step does not grow with the width, and a network of a million neurons is recorded
// in parts.
TEST(SyntheticPresets, AMillionNeurons) {
  auto options = testing::small_options("label-noise-sgd", 1000000, 4);
  options.method.lr = {1e-7};
  options.method.steps = 2000;
  options.record.records = 2;
  resolve(options);
  const auto run = simulate(options, settings(options).front());
  EXPECT_EQ(run.records.back().step, 2000);
  EXPECT_NEAR(run.records.front().norm_square_mean, 1, 5 * std::sqrt(2.0 / 4e6));
}

}  // namespace
}  // namespace unlazy::synthetic
