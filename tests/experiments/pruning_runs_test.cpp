// `unlazy prune --runs`: the runs of a folder, by several protocols, side by side.
#include <gtest/gtest.h>

#include <filesystem>

#include "core/files.h"
#include "experiments/pruning/curve.h"
#include "support/expect_error.h"
#include "support/program.h"
#include "support/scratch_folder.h"
#include "support/small_run.h"
#include "train/saved_run.h"

namespace unlazy {
namespace {

using testing::run_program;

// Two noise rates and two seeds, as a sweep leaves them, and a folder that is no run.
class PruningRunsTest : public ::testing::Test {
 protected:
  PruningRunsTest() {
    for (const double rate : {0.0, 0.2}) {
      for (const int64_t seed : {0, 1}) {
        auto options = testing::small_run();
        options.noise.kind = "flip";
        options.noise.rate = rate;
        options.run.seed = seed;
        options.run.checkpoint_at = {Step::iterations(0)};
        options.run.out = run(rate == 0 ? "0" : "0.2", seed);
        train::run_training(options, {});
      }
    }
    std::filesystem::create_directories(folder_ / "runs/logs");
  }
  std::string run(const std::string& rate, int64_t seed) const {
    return folder_ / ("runs/noise-rate=" + rate + ",seed=" + std::to_string(seed));
  }
  testing::ProgramResult prune(std::vector<std::string> more) const {
    std::vector<std::string> words = {
        "prune", "--runs", folder_ / "runs", "--out", folder_ / "out", "--levels", "3"};
    words.insert(words.end(), more.begin(), more.end());
    return run_program(words);
  }
  testing::ScratchFolder folder_;
};

TEST_F(PruningRunsTest, PrunesEachRunByEachProtocolAndGroupsTheSeeds) {
  const auto made = prune({"--protocols", "one-shot,one-shot-recalibrated,imp"});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  const auto summary = read_file(folder_ / "out/summary.csv");
  for (const std::string protocol : {"one-shot", "one-shot-recalibrated", "imp"}) {
    EXPECT_NE(summary.find("\n" + protocol + ",no noise,2,"), std::string::npos) << summary;
    EXPECT_NE(summary.find("\n" + protocol + ",flip 0.2,2,"), std::string::npos) << summary;
    EXPECT_TRUE(std::filesystem::exists(run("0.2", 1) + "/prune-" + protocol + "/DONE"));
  }
  // A second call takes the curves that are there.
  const auto curve = run("0", 0) + "/prune-imp/curve.json";
  const auto before = std::filesystem::last_write_time(curve);
  const auto again = prune({"--protocols", "one-shot,one-shot-recalibrated,imp"});
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(std::filesystem::last_write_time(curve), before);
  EXPECT_EQ(read_file(folder_ / "out/summary.csv"), summary);
}

TEST_F(PruningRunsTest, BadRequestsAreToldBeforeAnythingIsMade) {
  const auto refused = [&](const std::vector<std::string>& more, const std::string& text) {
    const auto result = prune(more);
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_NE(result.err.find(text), std::string::npos) << result.err;
    EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
    EXPECT_FALSE(std::filesystem::exists(run("0", 0) + "/prune-one-shot"));
  };
  refused({"--protocols", "one-shoot"}, "one-shot");
  refused({"--protocols", "one-shot", "--rewind-to", "3it", "--fine-tune", "2ep"}, "--fine-tune");
  refused({folder_ / "runs/logs"}, "runs/logs: holds no run of unlazy train");
  const auto alone = run_program(
      {"prune", "--run", run("0", 0), "--protocols", "one-shot", "--out", folder_ / "x"});
  EXPECT_EQ(alone.exit_code, 2);
  EXPECT_NE(alone.err.find("--runs"), std::string::npos) << alone.err;
}

}  // namespace
}  // namespace unlazy
