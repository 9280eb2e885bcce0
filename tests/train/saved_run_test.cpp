// A run on disk: whether it is finished, whether it is the one asked for, and how it goes on.
#include "train/saved_run.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/device.h"
#include "core/files.h"
#include "report/metrics.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"
#include "support/small_run.h"
#include "train/run_dir.h"

namespace unlazy::train {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using testing::expect_misuse;

Hooks stop_after_steps(int count) {
  Hooks hooks;
  hooks.should_stop = [left = std::make_shared<int>(count)] { return --*left == 0; };
  return hooks;
}

// Six steps of 16 images, four an epoch: measured and saved every two steps.
class SavedRun : public ::testing::Test {
 protected:
  SavedRun() {
    options_ = testing::small_run();
    options_.measure.every = Step::iterations(2);
    options_.run.checkpoint_every = Step::iterations(2);
    options_.run.keep_checkpoints = 0;
  }
  TrainOptions at(const std::string& name, bool resume = false) const {
    auto options = options_;
    options.run.out = scratch_ / name;
    options.run.resume = resume;
    return options;
  }
  // The lines that were said.
  std::string train(const TrainOptions& options, Outcome wanted = Outcome::kDone,
                    Hooks hooks = {}) const {
    std::string lines;
    hooks.on_line = [&](const std::string& line) { lines += line + "\n"; };
    EXPECT_EQ(run_training(options, hooks), wanted);
    return lines;
  }
  std::string folder(const std::string& name) const { return scratch_ / name; }
  std::string checkpoint(const std::string& name, int64_t step) const {
    return RunDir::checkpoint(folder(name), step);
  }
  void expect_same_end(const std::string& a, const std::string& b) const {
    for (const char* file : {"/metrics.csv", "/checkpoints/00000006/model.safetensors",
                             "/checkpoints/00000006/state.safetensors"})
      EXPECT_EQ(read_file(folder(a) + file), read_file(folder(b) + file)) << file;
    EXPECT_TRUE(RunDir::is_done(folder(b)));
  }
  // A run of all steps that was stopped after four, and the same uninterrupted.
  void make_whole_and_parts() const {
    train(at("whole"));
    train(at("parts"), Outcome::kInterrupted, stop_after_steps(4));
  }

  testing::ScratchFolder scratch_;
  TrainOptions options_;
};

TEST_F(SavedRun, AnUpdateThatBreaksTheWeightsIsNotSaved) {
  options_.compute.precision = "fp32";
  options_.optimizer.momentum = 0;
  options_.schedule.kind = "multistep";
  options_.schedule.milestones = {Step::iterations(1)};
  options_.schedule.gamma = 1e42;
  options_.run.checkpoint_every = Step::iterations(1);
  options_.run.keep_checkpoints = 1;
  options_.run.max_steps = 2;
  try {
    train(at("run"));
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()),
              "train: an update left weights that are not finite at step 1 (learning rate 5e+40); "
              "the last good checkpoint is " +
                  checkpoint("run", 1) + "; try a smaller --lr or --clip-norm");
  }
  EXPECT_EQ(RunDir::checkpoint_steps(folder("run")), std::vector<int64_t>{1});
  EXPECT_FALSE(RunDir::is_done(folder("run")));
}

TEST_F(SavedRun, ResumingWhereNothingIsStarts) {
  train(at("whole"));
  EXPECT_NE(train(at("new", true)).find("holds no run yet: starting one"), std::string::npos);
  expect_same_end("whole", "new");
}

// Killed between config.json and the first checkpoint, with whatever lies around.
TEST_F(SavedRun, WithoutACheckpointItStartsFromTheBeginning) {
  make_whole_and_parts();
  fs::remove_all(checkpoint("parts", 2));
  fs::remove_all(checkpoint("parts", 4));
  make_folder(folder("parts") + "/checkpoints/00000002.writing");
  make_folder(folder("parts") + "/checkpoints/00000003");
  const auto lines = train(at("parts", true));
  EXPECT_NE(lines.find("no checkpoint was written yet"), std::string::npos) << lines;
  expect_same_end("whole", "parts");
}

TEST_F(SavedRun, ACheckpointAtTheFirstStepIsNotMeasuredTwice) {
  options_.run.checkpoint_at = {Step::iterations(0)};
  train(at("whole"));
  train(at("parts"), Outcome::kInterrupted, stop_after_steps(1));
  fs::remove_all(checkpoint("parts", 1));
  EXPECT_NE(train(at("parts", true)).find("continuing from step 0"), std::string::npos);
  expect_same_end("whole", "parts");
}

TEST_F(SavedRun, ADamagedCheckpointIsPassedOver) {
  for (const char* file : {"model.safetensors", "state.safetensors", "meta.json"}) {
    SCOPED_TRACE(file);
    options_.run.overwrite = true;
    make_whole_and_parts();
    options_.run.overwrite = false;
    const auto path = checkpoint("parts", 4) + "/" + file;
    write_file(path, read_file(path).substr(0, 100));
    const auto lines = train(at("parts", true));
    EXPECT_NE(lines.find("; going on from " + checkpoint("parts", 2)), std::string::npos) << lines;
    EXPECT_NE(lines.find("continuing from step 2"), std::string::npos) << lines;
    expect_same_end("whole", "parts");
  }
}

TEST_F(SavedRun, WhenAllAreDamagedNothingIsLost) {
  train(at("run"), Outcome::kInterrupted, stop_after_steps(2));
  write_file(checkpoint("run", 2) + "/meta.json", "{");
  const auto before = read_file(folder("run") + "/metrics.csv");
  EXPECT_THROW(train(at("run", true)), Error);
  EXPECT_EQ(read_file(folder("run") + "/metrics.csv"), before);
}

TEST_F(SavedRun, TheStepInMetaIsNotBelieved) {
  make_whole_and_parts();
  auto meta = Json::parse(read_file(checkpoint("parts", 4) + "/meta.json"));
  meta["step"] = 9;
  write_file(checkpoint("parts", 4) + "/meta.json", meta.dump());
  EXPECT_NE(train(at("parts", true)).find("its meta.json is of step 9"), std::string::npos);
  expect_same_end("whole", "parts");
}

TEST_F(SavedRun, AFinishedRunThatGoesOnIsUnfinishedMeanwhile) {
  options_.run.max_steps = 4;
  train(at("run"));
  ASSERT_TRUE(RunDir::is_done(folder("run")));
  options_.run.max_steps = 6;
  train(at("run", true), Outcome::kInterrupted, stop_after_steps(1));
  EXPECT_FALSE(RunDir::is_done(folder("run")));
  EXPECT_FALSE(is_finished(at("run", true), "train"));
  train(at("run", true));
  EXPECT_TRUE(is_finished(at("run", true), "train"));
}

TEST_F(SavedRun, AFinishedRunIsLeftAsItIs) {
  train(at("run"));
  const auto written = fs::last_write_time(folder("run") + "/config.json");
  EXPECT_EQ(train(at("run", true)), folder("run") + " is finished already\n");
  EXPECT_EQ(fs::last_write_time(folder("run") + "/config.json"), written);
}

// Its curves are a result: they are not thrown away to begin again.
TEST_F(SavedRun, AFinishedRunWithoutCheckpointsIsNotBegunAgain) {
  train(at("run"));
  fs::remove_all(folder("run") + "/checkpoints");
  options_.run.max_steps = 8;
  testing::expect_error([&] { train(at("run", true)); },
                        folder("run") +
                            ": is finished, and has no checkpoint to go on from; start again with "
                            "--overwrite");
  EXPECT_TRUE(RunDir::is_done(folder("run")));
}

TEST_F(SavedRun, AShorterLengthIsRefused) {
  train(at("run"));
  options_.run.max_steps = 3;
  expect_misuse([&] { train(at("run", true)); },
                folder("run") +
                    ": was trained to step 6 already, beyond step 3 that --epochs and --max-steps "
                    "ask for; ask for as much or more, or begin anew with --overwrite or another "
                    "--out");
}

// Rows of other steps must not be put beside those of a series.
TEST_F(SavedRun, ASeriesRefusesOtherCurves) {
  train(at("run"));
  options_.measure.every = Step::iterations(3);
  expect_misuse([&] { run_unfinished(at("run", true), {}); },
                folder("run") +
                    ": was run with measure-every \"2it\", but --resume was given \"3it\"; leave "
                    "the flag out, or start a new run with another --out");
  options_.run.max_steps = 8;
  train(at("run", true));  // a run by itself may go on with others
}

TEST_F(SavedRun, ALengthOfLessThanAStepIsRefused) {
  options_.run.max_steps = 0;
  options_.run.epochs = 0.01;
  expect_misuse([&] { train(at("run")); },
                "train: --epochs 0.01 is less than one step; an epoch has 4 steps: use --epochs 1 "
                "--max-steps N");
  EXPECT_FALSE(fs::exists(folder("run")));
}

TEST_F(SavedRun, ARunOfNoStepsCanGoOn) {
  train(at("whole"));
  options_.run.epochs = 0;
  train(at("parts"));
  EXPECT_EQ(RunDir::checkpoint_steps(folder("parts")), std::vector<int64_t>{0});
  options_.run.epochs = 160;
  train(at("parts", true));
  expect_same_end("whole", "parts");
}

TEST_F(SavedRun, AMeasurementAskedForTwiceIsRefused) {
  options_.measure.names = {"test", "test"};
  expect_misuse([&] { train(at("run")); }, "--measure: test stands there twice; leave one out");
}

TEST_F(SavedRun, ConfigHoldsWhatWasResolvedAndNoRequests) {
  options_.compute.precision = "auto";
  options_.compute.threads = 0;
  options_.run.overwrite = true;
  train(at("run"));
  const auto config = read_json_file(folder("run") + "/config.json");
  EXPECT_NE(config.at("precision"), "auto");
  EXPECT_GT(config.at("threads"), 0);
  EXPECT_FALSE(config.contains("overwrite") || config.contains("resume"));
  EXPECT_EQ(config.at("about").at("steps"), 6);
  EXPECT_EQ(options_of(folder("run")).optimizer.momentum, 0.9);
}

// "auto" and 0 mean what the run was begun with.
TEST_F(SavedRun, PrecisionAndThreadsStayWhenARunGoesOn) {
  options_.compute.precision = "fp32";
  make_whole_and_parts();
  auto options = at("parts", true);
  options.compute.precision = "auto";
  options.compute.threads = 0;
  train(options);
  expect_same_end("whole", "parts");
  options_.run.max_steps = 2;
  options_.compute.threads = 2;
  train(at("two"));
  options_.run.max_steps = 4;
  options_.compute.threads = 0;
  train(at("two", true));
  EXPECT_EQ(read_json_file(folder("two") + "/config.json").at("threads"), 2);
}

TEST_F(SavedRun, ARunOfALargerMachineGoesOnHere) {
  options_.run.max_steps = 2;
  train(at("run"));
  const auto path = folder("run") + "/config.json";
  auto config = read_json_file(path);
  config["threads"] = most_threads() + 1;
  write_file(path, config.dump());
  options_.run.max_steps = 4;
  options_.compute.threads = 0;
  EXPECT_NE(train(at("run", true)).find("too many for this machine"), std::string::npos);
  EXPECT_LE(read_json_file(path).at("threads"), most_threads());
  options_.compute.threads = most_threads() + 1;
  EXPECT_THROW(train(at("other")), Error) << "given, it is refused";
}

// After going on from an older one, the damaged checkpoint must not count as the newest.
TEST_F(SavedRun, ADamagedCheckpointDoesNotPushOutNewOnes) {
  make_whole_and_parts();
  write_file(checkpoint("parts", 4) + "/model.safetensors", "x");
  options_.run.keep_checkpoints = 1;
  train(at("parts", true), Outcome::kInterrupted, stop_after_steps(1));
  EXPECT_EQ(RunDir::checkpoint_steps(folder("parts")), std::vector<int64_t>{3});
  EXPECT_TRUE(fs::exists(checkpoint("parts", 4) + ".damaged"));
}

// A disk that is not there is no reason to begin again.
TEST_F(SavedRun, CheckpointsThatCannotBeReachedAreAnError) {
  make_whole_and_parts();
  fs::rename(folder("parts") + "/checkpoints", folder("disk"));
  fs::create_directory_symlink(folder("gone"), folder("parts") + "/checkpoints");
  const auto before = read_file(folder("parts") + "/metrics.csv");
  EXPECT_THROW(train(at("parts", true)), Error);
  EXPECT_EQ(read_file(folder("parts") + "/metrics.csv"), before);
  fs::remove(folder("parts") + "/checkpoints");
  fs::create_directory_symlink(folder("disk"), folder("parts") + "/checkpoints");
  train(at("parts", true));
  expect_same_end("whole", "parts");
}

TEST_F(SavedRun, ARowThatIsNoneIsNotBlamedOnTheCheckpoint) {
  make_whole_and_parts();
  const auto path = folder("parts") + "/metrics.csv";
  const auto rows = read_file(path);
  write_file(path, rows + "torn by a loss of power\n");
  train(at("parts", true));
  expect_same_end("whole", "parts");
}

// The steps that were taken would have had other rates.
TEST_F(SavedRun, ACosineScheduleDoesNotGrow) {
  options_.schedule.kind = "cosine";
  options_.run.max_steps = 4;
  train(at("run"));
  options_.run.max_steps = 6;
  expect_misuse([&] { train(at("run", true)); },
                folder("run") +
                    ": its learning rate or rho follows a schedule to the end of training, step "
                    "4; with an end at step 6 it is another run: begin anew with --overwrite or "
                    "another --out");
}

TEST_F(SavedRun, SaysWhatIsTrainedAndWhere) {
  const auto lines = train(at("run"));
  EXPECT_TRUE(
      lines.starts_with("mlp, 37006 parameters, on cpu in fp64 (1 thread); "
                        "cifar10-sample: 64 training and 16 test images; 6 steps\n"))
      << lines;
}

}  // namespace
}  // namespace unlazy::train
