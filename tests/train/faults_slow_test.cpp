// Killed, or without space, at every change of a file: no run is lost, none is mixed with another.
#include <gtest/gtest.h>

#include <filesystem>

#include "core/files.h"
#include "support/faults.h"
#include "support/scratch_folder.h"
#include "support/small_run.h"
#include "train/run_dir.h"
#include "train/saved_run.h"

namespace unlazy::train {
namespace {

namespace fs = std::filesystem;
using testing::Fault;

// Four steps, a checkpoint and a row every two.
TrainOptions short_run(const std::string& out, int64_t seed = 0) {
  auto o = testing::small_run();
  o.measure.names = {"test"};
  o.measure.every = Step::iterations(2);
  o.run.checkpoint_every = Step::iterations(2);
  o.run.max_steps = 4;
  o.run.seed = seed;
  o.run.out = out;
  return o;
}

TrainOptions resumed(TrainOptions options) {
  options.run.resume = true;
  options.run.overwrite = false;
  return options;
}

void expect_same_run(const std::string& a, const std::string& b) {
  for (const char* name : {"metrics.csv", "checkpoints/00000004/model.safetensors",
                           "checkpoints/00000004/state.safetensors"})
    ASSERT_EQ(read_file(a + "/" + name), read_file(b + "/" + name)) << name;
  EXPECT_TRUE(RunDir::is_done(b));
}

// Of the network itself, and of its linearisation, which writes theta0 besides.
class TrainingFaults : public ::testing::TestWithParam<int64_t> {};

TEST_P(TrainingFaults, ATrainingKilledAnywhereGoesOnBitForBit) {
  const testing::ScratchFolder scratch;
  const auto run_in = [&](const std::string& folder) {
    auto o = short_run(scratch / folder);
    o.linearise.order = GetParam();
    return o;
  };
  run_training(run_in("whole"), {});
  for (const auto fault : {Fault::kKill, Fault::kFull}) {
    for (int64_t k = 0;; ++k) {
      SCOPED_TRACE(k);
      const auto options = run_in((fault == Fault::kKill ? "kill" : "full") + std::to_string(k));
      const bool has_faulted =
          testing::run_with_fault(fault, k, [&] { run_training(options, {}); });
      if (!has_faulted) {
        EXPECT_GT(k, 30);  // the faults were there
        break;
      }
      run_training(resumed(options), {});
      expect_same_run(scratch / "whole", options.run.out);
      fs::remove_all(options.run.out);
      if (HasFatalFailure()) return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Orders, TrainingFaults, ::testing::Values(0, 1));

// Either the old run is still said to be there, and replacing it again gives the new one; or the
// new one goes on.
TEST(Faults, ReplacingARunKilledAnywhereMixesNothing) {
  const testing::ScratchFolder scratch;
  run_training(short_run(scratch / "old", 7), {});
  run_training(short_run(scratch / "new", 0), {});
  for (int64_t k = 0;; ++k) {
    SCOPED_TRACE(k);
    const std::string folder = scratch / ("run" + std::to_string(k));
    fs::copy(scratch / "old", folder, fs::copy_options::recursive);
    auto options = short_run(folder, 0);
    options.run.overwrite = true;
    if (!testing::run_with_fault(Fault::kKill, k, [&] { run_training(options, {}); })) {
      EXPECT_GT(k, 40);
      break;
    }
    const auto there = options_of(folder);
    if (there.run.seed == 7) {
      EXPECT_THROW(run_training(resumed(options), {}), Error);
      // What is left of the old run goes on as itself.
      run_training(resumed(short_run(folder, 7)), {});
      expect_same_run(scratch / "old", folder);
      run_training(options, {});
    } else {
      run_training(resumed(options), {});
    }
    expect_same_run(scratch / "new", folder);
    fs::remove_all(folder);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace unlazy::train
