// Series killed at changes of files: what is finished stays, and two curves never mix.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "core/options.h"
#include "experiments/lazy_comparison.h"
#include "experiments/pruning/curve.h"
#include "support/comparisons.h"
#include "support/faults.h"
#include "support/scratch_folder.h"
#include "support/small_run.h"
#include "train/saved_run.h"

namespace unlazy::experiments {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using testing::Fault;
using testing::run_with_fault;

// What a curve says, without the times that it took.
std::string numbers_of(const std::string& folder) {
  std::string text;
  for (const auto& level : read_curve(folder).levels) {
    text += internal::concat(level.target, " ", level.weights, " ", level.loss, " ", level.accuracy,
                             "\n");
  }
  return text + Json::parse(read_file(folder + "/curve.json")).at("criterion").dump();
}

class PruneFaults : public ::testing::Test {
 protected:
  PruneFaults() {
    base_ = testing::small_run();
    base_.measure.names = {"test"};
    base_.run.max_steps = 2;
    auto trained = base_;
    trained.run.out = scratch_ / "run";
    train::run_training(trained, {});
    prune_.run = trained.run.out;
    prune_.levels.count = 3;
  }
  void make(const std::string& out, bool resume = false, bool overwrite = false) {
    auto base = base_;
    base.run.out = out;
    base.run.resume = resume;
    base.run.overwrite = overwrite;
    make_pruning_curve(base, prune_, {});
  }

  testing::ScratchFolder scratch_;
  train::TrainOptions base_;
  PruneOptions prune_;
};

TEST_F(PruneFaults, ACurveReplacedByAnotherCriterionNeverHasItsNumbers) {
  const std::string old = scratch_ / "magnitude", wanted = scratch_ / "random";
  make(old);
  prune_.criterion.name = "random";
  make(wanted);
  ASSERT_NE(numbers_of(old), numbers_of(wanted));
  for (int64_t k = 0;; ++k) {
    SCOPED_TRACE(k);
    const std::string folder = scratch_ / ("out" + std::to_string(k));
    fs::copy(old, folder, fs::copy_options::recursive);
    if (!run_with_fault(Fault::kKill, k, [&] { make(folder, false, true); })) {
      EXPECT_GT(k, 20);
      break;
    }
    const auto there = read_json_file(folder + "/config.json").at("criterion");
    if (there == "magnitude") {
      EXPECT_THROW(make(folder, true), Error);
      make(folder, false, true);
    } else {
      make(folder, true);
    }
    EXPECT_EQ(numbers_of(folder), numbers_of(wanted));
    fs::remove_all(folder);
  }
}

TEST_F(PruneFaults, IterativePruningKilledAnywhereGoesOn) {
  prune_.protocol = "imp";
  prune_.levels.count = 2;
  make(scratch_ / "whole");
  constexpr int64_t kStride = 3;
  for (int64_t k = 0;; k += kStride) {
    SCOPED_TRACE(k);
    const std::string folder = scratch_ / ("out" + std::to_string(k));
    if (!run_with_fault(Fault::kKill, k, [&] { make(folder); })) {
      EXPECT_GT(k, 60);
      break;
    }
    make(folder, true);
    EXPECT_EQ(numbers_of(folder), numbers_of(scratch_ / "whole"));
    fs::remove_all(folder);
  }
}

class CompareFaults : public ::testing::TestWithParam<const char*> {};  // the space

TEST_P(CompareFaults, AComparisonKilledAnywhereGoesOn) {
  const testing::ScratchFolder scratch;
  auto options = testing::two_layers();
  options.data.train_size = 8;
  options.batch.batch_size = 8;
  options.model.hidden_width = 4;
  options.measure.names = {"test", "train-set", "first-layer"};
  options.measure.every = Step::iterations(2);
  options.run.max_steps = 3;
  const auto compare = [&](const std::string& out, bool resume) {
    options.run.resume = resume;
    compare_lazy({.linear_space = GetParam()}, options, out, "test", {});
  };
  const std::string whole = scratch / "whole";
  compare(whole, false);
  constexpr int64_t kStride = 4;
  for (int64_t k = 0;; k += kStride) {
    SCOPED_TRACE(k);
    const std::string folder = scratch / ("out" + std::to_string(k));
    if (!run_with_fault(Fault::kKill, k, [&] { compare(folder, false); })) {
      EXPECT_GT(k, 80);
      break;
    }
    compare(folder, true);
    for (const char* run : {"clean", "noise", "linear", "linear-noise"}) {
      const auto metrics = std::string("/seed0/") + run + "/metrics.csv";
      EXPECT_EQ(read_file(folder + metrics), read_file(whole + metrics)) << run;
    }
    EXPECT_EQ(read_file(folder + "/statements.json"), read_file(whole + "/statements.json"));
    fs::remove_all(folder);
  }
}

INSTANTIATE_TEST_SUITE_P(Spaces, CompareFaults, ::testing::Values("function", "weight"),
                         [](const auto& space) { return std::string(space.param); });

}  // namespace
}  // namespace unlazy::experiments
