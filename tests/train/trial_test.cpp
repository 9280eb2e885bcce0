// --dry-run: what a trial says against what the run then does, and that it writes nothing.
#include "train/trial.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "core/files.h"
#include "experiments/comparison_trial.h"
#include "experiments/pruning/trial.h"
#include "support/program.h"
#include "support/scratch_folder.h"
#include "support/small_run.h"
#include "train/run_dir.h"
#include "train/saved_run.h"

namespace unlazy::train {
namespace {

int64_t bytes_in(const std::string& folder) {
  int64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) bytes += static_cast<int64_t>(entry.file_size());
  }
  return bytes;
}

int rows_of(const std::string& folder, const std::string& name) {
  const auto text = read_file(folder + "/metrics.csv");
  int rows = 0;
  for (size_t at = text.find("," + name + ","); at != std::string::npos;
       at = text.find("," + name + ",", at + 1))
    ++rows;
  return rows;
}

TEST(Trial, CountsWhatTheRunMeasuresAndWrites) {
  const testing::ScratchFolder folder;
  auto options = testing::small_run();
  options.run.max_steps = 0;
  options.run.epochs = 25;  // 4 steps each
  options.run.checkpoint_every = Step::iterations(30);
  options.run.keep_checkpoints = 2;
  options.run.checkpoint_at = {Step::iterations(0)};
  options.measure.names = {"test", "weight-norm:every=7it", "distance:every=50it"};
  options.run.out = folder / "run";
  const auto trial = try_run(options);
  EXPECT_FALSE(std::filesystem::exists(options.run.out));
  EXPECT_GT(trial.step_seconds, 0);
  EXPECT_EQ(trial.steps, 100);
  EXPECT_EQ(trial.checkpoints, 3);

  ASSERT_EQ(run_training(options, {}), Outcome::kDone);
  const std::string curves[] = {"test_loss", "weight_norm", "distance_from_init"};
  ASSERT_EQ(trial.measurements.size(), 3u);
  for (size_t i = 0; i < 3; ++i)
    EXPECT_EQ(trial.measurements[i].times, rows_of(options.run.out, curves[i])) << curves[i];
  EXPECT_EQ(RunDir::checkpoint_steps(options.run.out).size(), 3u);
  const auto checkpoint = static_cast<double>(bytes_in(RunDir::checkpoint(options.run.out, 100)));
  EXPECT_NEAR(static_cast<double>(trial.checkpoint_bytes), checkpoint, 0.02 * checkpoint);
  const auto all = static_cast<double>(bytes_in(options.run.out));
  EXPECT_NEAR(static_cast<double>(trial.disk_bytes()), all, 0.15 * all);
}

TEST(Trial, OfARunWithoutStepsIsNoDivisionByZero) {
  auto options = testing::small_run();
  options.run.epochs = 0;
  const auto trial = try_run(options);
  EXPECT_EQ(trial.steps, 0);
  EXPECT_EQ(trial.step_seconds, 0);
}

TEST(Trial, OfACurveCountsTheLevelsThatAreTrained) {
  auto options = testing::small_run();
  experiments::PruneOptions prune;
  prune.levels.count = 4;
  const auto one_shot = experiments::try_pruning_curve(options, prune);
  EXPECT_EQ(one_shot.levels, 4);
  EXPECT_EQ(one_shot.trained_levels, 0);
  EXPECT_TRUE(one_shot.is_trained);
  prune.protocol = "imp";
  prune.rewind_to = Step::iterations(2);
  const auto imp = experiments::try_pruning_curve(options, prune);
  EXPECT_EQ(imp.trained_levels, 3);
  EXPECT_EQ(imp.steps, 4);  // from step 2 to 6
  EXPECT_GT(imp.disk_bytes(), one_shot.disk_bytes());
}

TEST(DryRun, OfEachCommandSaysTimeAndDiskAndWritesNothing) {
  const testing::ScratchFolder folder;
  const std::vector<std::vector<std::string>> commands = {
      {"train", "--measure", "test"},
      {"prune", "--protocol", "imp"},
      {"compare", "--noise", "flip", "--noise-rate", "0.2"}};
  for (auto words : commands) {
    for (const char* word : {"--data", "cifar10-sample", "--train-size", "32", "--test-size", "16",
                             "--batch", "32", "--augment=false", "--model", "mlp", "--hidden-width",
                             "8", "--epochs", "2", "--precision", "fp32", "--dry-run", "--out"})
      words.emplace_back(word);
    words.push_back(folder / "out");
    const auto result = testing::run_program(words);
    EXPECT_EQ(result.exit_code, 0) << words[0] << result.err;
    EXPECT_NE(result.out.find("steps of"), std::string::npos) << result.out;
    EXPECT_NE(result.out.find("disk"), std::string::npos) << result.out;
    EXPECT_FALSE(std::filesystem::exists(folder / "out")) << words[0];
  }
}

}  // namespace
}  // namespace unlazy::train
