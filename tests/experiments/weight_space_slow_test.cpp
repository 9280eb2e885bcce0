// Comparisons whose linearised networks are trained in weight space, and what both spaces share:
// records of outputs, kernels that are read again, seeds that diverge.
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/files.h"
#include "core/safetensors.h"
#include "experiments/lazy_comparison.h"
#include "experiments/linearised_run.h"
#include "linearise/kernel.h"
#include "report/metrics.h"
#include "support/comparisons.h"
#include "support/scratch_folder.h"
#include "train/run_dir.h"

namespace unlazy::experiments {
namespace {

namespace fs = std::filesystem;
using testing::compare;
using testing::linear_network;
using testing::relative;
using testing::results;
using testing::ScratchFolder;
using testing::two_layers;

// A network that is far from linear: its linearisation by passes through it and by its kernel, under
// minibatches with label noise and momentum.
struct BothSpaces {
  const char* model;
  int64_t epochs;  // of two steps
  double weight_decay;
};
void PrintTo(const BothSpaces& test, std::ostream* out) { *out << test.model; }

class BothSpacesTest : public ::testing::TestWithParam<BothSpaces> {};

TEST_P(BothSpacesTest, GiveTheSameRuns) {
  const ScratchFolder scratch;
  auto options = linear_network();
  options.model = {};
  options.model.name = GetParam().model;
  options.model.block_widths.assign(options.model.name == "resnet20" ? 9 : 0, 4);
  options.data.train_size = 10;
  options.data.test_size = 6;
  options.batch.batch_size = 5;
  options.optimizer.momentum = 0.9;
  options.optimizer.weight_decay = GetParam().weight_decay;
  options.run.epochs = static_cast<double>(GetParam().epochs);
  options.measure.every = Step::iterations(20);
  const double lr_fraction = 0.1;
  compare(options, scratch / "function", {},
          {.lr_fraction = lr_fraction, .linear_space = "function"});
  // The rate is that of the first images, which are all of them here.
  compare(options, scratch / "weight", {}, {.lr_fraction = lr_fraction, .linear_space = "weight"});
  const int64_t last = 2 * GetParam().epochs;
  char record[64];
  std::snprintf(record, sizeof record, "/outputs/%08d.safetensors", static_cast<int>(last));
  for (const std::string run : {"linear", "linear-noise"}) {
    const auto function = scratch / "function/seed0/" + run,
               weight = scratch / "weight/seed0/" + run;
    const auto ours = report::read_metrics(function), theirs = report::read_metrics(weight);
    for (const auto& [name, curve] : ours) {
      SCOPED_TRACE(run + " " + name);
      ASSERT_TRUE(theirs.contains(name));
      const auto& other = theirs.at(name);
      EXPECT_EQ(curve.steps, other.steps);
      ASSERT_EQ(curve.values.size(), other.values.size());
      for (size_t i = 0; i < curve.values.size(); ++i)
        EXPECT_NEAR(curve.values[i], other.values[i], 1e-9 * std::abs(other.values[i])) << i;
    }
    const auto& loss = ours.at("train_set_loss");
    EXPECT_EQ(loss.steps.back(), last);
    EXPECT_GT(std::abs(loss.values.back() / loss.values.front() - 1), 0.1);
    for (const char* split : {"train", "test"}) {
      EXPECT_LT(relative(load_tensors(function + record).at(split),
                         load_tensors(weight + record).at(split)),
                1e-6);
    }
    const auto steps = train::RunDir::checkpoint_steps(weight);
    const auto weights =
        load_tensors(train::RunDir::checkpoint(weight, steps.back()) + "/model.safetensors");
    const auto found = load_tensors(function + "/linearised.safetensors");
    EXPECT_EQ(found.tensors.size(), weights.tensors.size());
    for (const auto& [name, tensor] : found.tensors) {
      if (tensor.is_floating_point()) {
        EXPECT_LT(relative(tensor, weights.at(name)), 1e-9) << name;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, BothSpacesTest,
                         ::testing::Values(BothSpaces{"ntk-wrn", 50, 0},
                                           BothSpaces{"resnet20", 15, 0.01}),
                         [](const auto& test) {
                           return std::string(test.param.model == std::string("resnet20")
                                                  ? "BatchNormAndDecay"
                                                  : "NtkWideResNet");
                         });

TEST(WeightSpace, DistancesAreThoseBetweenTheRuns) {
  const ScratchFolder scratch;
  const auto out = scratch / "out";
  const auto result = compare(two_layers(), out);
  const auto outputs = [&](const std::string& run, int64_t step) {
    char name[64];
    std::snprintf(name, sizeof name, "/outputs/%08d.safetensors", static_cast<int>(step));
    return load_tensors(out + "/seed0/" + run + name).at("test").to(c10::kDouble);
  };
  const auto apart = [&](const std::string& run, const std::string& linear) {
    const auto f = outputs(run, 12), g = outputs(linear, 12), start = outputs(linear, 0);
    return ((f - g).norm() / (g - start).norm()).item<double>();
  };
  const double with = apart("noise", "linear-noise"), without = apart("clean", "linear");
  const auto& statement = result.statements.back();
  EXPECT_NE(statement.text.find("farther from those of the linearised network"), std::string::npos);
  EXPECT_NEAR(statement.effects[0].values[0], with / without - 1, 1e-6);
  EXPECT_NE(read_file(out + "/figures/test.csv").find("The same on test images"),
            std::string::npos);
}

// Minibatches, augmentation, BatchNorm, any optimizer: what function space cannot follow.
TEST(WeightSpace, WhatFunctionSpaceCannotFollowIsTrainedInWeightSpace) {
  const ScratchFolder scratch;
  auto options = linear_network();
  options.model = {};
  options.model.name = "resnet20";
  options.model.block_widths.assign(9, 4);
  options.batch.batch_size = 8;
  options.batch.augment = true;
  options.optimizer.name = "adamw";
  options.run.epochs = 2;
  options.measure.names.insert(options.measure.names.end(),
                               {"lazy-distance", "ntk-change:every=2ep"});
  std::vector<std::string> lines;
  train::Hooks hooks;
  hooks.on_line = [&](const std::string& line) { lines.push_back(line); };
  compare(options, scratch / "out", hooks);
  const auto is_said = [&](const std::string& text) {
    return std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
      return line.find(text) != std::string::npos;
    });
  };
  EXPECT_TRUE(
      is_said("linearised networks in weight space (function space: the kernel is that of "
              "fixed images: give --augment=false)"));
  EXPECT_TRUE(
      is_said("BatchNorm is linearised in evaluation mode, with the statistics of 20 "
              "training images at theta0"));
  EXPECT_TRUE(fs::exists(scratch / "out/seed0/linear-noise/theta0.safetensors"));
}

TEST(WeightSpace, KernelsThatAreThereAreRead) {
  const ScratchFolder scratch;
  const auto out = scratch / "out";
  auto options = two_layers();
  compare(options, out);
  const auto before = results(out);
  const auto file = out + "/seed0/kernel.safetensors";
  options.run.resume = true;
  std::string said;
  train::Hooks hooks;
  hooks.on_line = [&](const std::string& line) { said += line + "\n"; };
  compare(options, out, hooks);
  EXPECT_NE(said.find("kernel read from " + file), std::string::npos);
  EXPECT_EQ(results(out), before);
  // A damaged one is said and made again.
  write_file(file, read_file(file).substr(0, 1000));
  said.clear();
  compare(options, out, hooks);
  EXPECT_NE(said.find("note: " + file), std::string::npos);
  EXPECT_NE(said.find("; computed again"), std::string::npos);
  EXPECT_EQ(results(out), before);
}

// One of two seeds diverges: it is said and left out.
TEST(WeightSpace, ASeedThatDivergesIsLeftOut) {
  const ScratchFolder scratch;
  const auto out = scratch / "out";
  auto options = linear_network();
  const auto rate_of = [&](int64_t seed) {
    auto o = options;
    o.run.seed = seed;
    train::Experiment experiment(o);
    return linearise::max_learning_rate(kernel_of(experiment, int64_t{1} << 30).train);
  };
  const double first = rate_of(0), second = rate_of(1);
  ASSERT_GT(std::abs(first / second - 1), 0.01);
  options.schedule.lr = std::sqrt(first * second);  // stable for one of them only
  options.run.epochs = 1500;
  options.measure.every = Step::iterations(250);
  const int64_t stable = first > second ? 0 : 1;
  const auto result = compare(options, out, {}, {.seeds = {0, 1}, .lr_fraction = 0});
  EXPECT_EQ(result.seeds, (std::vector<int64_t>{stable}));
  ASSERT_EQ(result.diverged.size(), 1u);
  EXPECT_EQ(result.diverged[0].first, 1 - stable);
  const auto json = read_json_file(out + "/statements.json");
  EXPECT_EQ(json.at("seeds"), (std::vector<int64_t>{stable}));
  EXPECT_EQ(json.at("diverged")[0].at("seed"), 1 - stable);
  EXPECT_TRUE(fs::exists(out + "/DONE"));
}

}  // namespace
}  // namespace unlazy::experiments
