// Whole runs of the loop on a small network and a few real images.
#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/safetensors.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"
#include "support/small_run.h"
#include "train/checkpoint.h"
#include "train/saved_run.h"

namespace unlazy::train {
namespace {

namespace fs = std::filesystem;
using testing::expect_error;
using testing::expect_misuse;
using testing::ScratchFolder;

// ResNet-20 on 96 images, 3 steps an epoch, with augmentation, label noise, momentum and weight
// decay.
TrainOptions small_run(const std::string& out) {
  auto o = testing::small_run();
  o.data.train_size = 96;
  o.data.test_size = 50;
  o.batch.batch_size = 32;
  o.model.name = "resnet20";
  o.model.block_widths.assign(9, 4);  // few channels: all its parts, a quarter of the time
  o.noise.kind = "flip";
  o.noise.rate = 0.2;
  o.optimizer.weight_decay = 5e-4;
  o.compute.precision = "fp32";
  o.run.epochs = 3;
  o.run.max_steps = 0;
  o.run.out = out;
  return o;
}

Outcome run(TrainOptions options, const Hooks& hooks = {}) { return run_training(options, hooks); }

// The state of the last checkpoint of two runs is the same bit for bit, and so are their curves.
void expect_same_run(const std::string& a, const std::string& b, const std::string& step) {
  for (const char* name : {"model.safetensors", "state.safetensors"}) {
    const std::string in_run = "/checkpoints/" + step + "/" + name;
    EXPECT_EQ(read_file(a + in_run), read_file(b + in_run)) << name;
  }
  EXPECT_EQ(read_file(a + "/metrics.csv"), read_file(b + "/metrics.csv"));
}

// Stops after `count` steps, as Ctrl-C would.
Hooks stop_after(int count) {
  Hooks hooks;
  hooks.should_stop = [left = std::make_shared<int>(count)] { return --*left == 0; };
  return hooks;
}

TEST(Run, ResumedRunEqualsTheUninterruptedOneBitForBit) {
  for (const char* precision : {"fp32", "bf16"}) {
    SCOPED_TRACE(precision);
    const ScratchFolder scratch;
    auto whole = small_run(scratch / "whole"), parts = small_run(scratch / "parts");
    whole.compute.precision = parts.compute.precision = precision;
    EXPECT_EQ(run(whole), Outcome::kDone);
    // Interrupted in the middle of the second epoch and again in the third.
    EXPECT_EQ(run(parts, stop_after(4)), Outcome::kInterrupted);
    EXPECT_FALSE(fs::exists(scratch / "parts/DONE"));
    parts.run.resume = true;
    EXPECT_EQ(run(parts, stop_after(3)), Outcome::kInterrupted);
    EXPECT_EQ(run(parts), Outcome::kDone);
    EXPECT_TRUE(fs::exists(scratch / "parts/DONE"));
    expect_same_run(scratch / "whole", scratch / "parts", "00000009");
  }
}

// What kill -9 leaves: rows and events after the last checkpoint, and a checkpoint that was being
// written.
TEST(Run, WorkAfterTheLastCheckpointIsDoneAgain) {
  const ScratchFolder scratch;
  EXPECT_EQ(run(small_run(scratch / "whole")), Outcome::kDone);
  auto parts = small_run(scratch / "parts");
  EXPECT_EQ(run(parts, stop_after(4)), Outcome::kInterrupted);
  std::ofstream(scratch / "parts/metrics.csv", std::ios::app) << "5,1.66,train_loss,9";
  std::ofstream(scratch / "parts/events.out.tfevents.0.unlazy", std::ios::app) << "torn";
  fs::create_directories(scratch / "parts/checkpoints/00000005.writing");
  parts.run.resume = true;
  EXPECT_EQ(run(parts), Outcome::kDone);
  expect_same_run(scratch / "whole", scratch / "parts", "00000009");
}

TEST(Run, TheSeedDecidesTheRun) {
  const ScratchFolder scratch;
  auto other = small_run(scratch / "other");
  other.run.seed = 1;
  run(small_run(scratch / "a"));
  run(small_run(scratch / "b"));
  run(other);
  expect_same_run(scratch / "a", scratch / "b", "00000009");
  EXPECT_NE(read_file(scratch / "a/metrics.csv"), read_file(scratch / "other/metrics.csv"));
}

TEST(Run, MeasuredRunEndsBitEqualToAnUnmeasuredOne) {
  const ScratchFolder scratch;
  auto measured = small_run(scratch / "measured"), bare = small_run(scratch / "bare");
  // The costly measurements are held to the same by their conformance test.
  measured.measure.names = {"test", "train-set", "weight-norm", "gradient-norm", "distance"};
  measured.measure.every = Step::iterations(1);
  bare.measure.names.clear();
  run(measured);
  run(bare);
  EXPECT_EQ(read_file(scratch / "measured/checkpoints/00000009/model.safetensors"),
            read_file(scratch / "bare/checkpoints/00000009/model.safetensors"));
}

TEST(Run, AccumulatedGradientsGiveTheSameRun) {
  const ScratchFolder scratch;
  auto whole = small_run(scratch / "whole"), parts = small_run(scratch / "parts");
  for (auto* o : {&whole, &parts}) {
    o->model.name = "mlp";  // without normalisation the parts of a batch do not interact
    o->compute.precision = "fp64";
  }
  parts.run.accumulate = 3;
  run(whole);
  run(parts);
  const auto a = load_tensors(scratch / "whole/checkpoints/00000009/model.safetensors");
  const auto b = load_tensors(scratch / "parts/checkpoints/00000009/model.safetensors");
  for (const auto& [name, tensor] : a.tensors) {
    EXPECT_LT((tensor - b.at(name)).abs().max().item<double>(), 1e-12) << name;
  }
}

TEST(Run, RepeatsFromItsOwnConfig) {
  const ScratchFolder scratch;
  run(small_run(scratch / "a"));
  TrainOptions again;
  Options options("train", describe(again));
  options.read_file(scratch / "a/config.json");
  again.run.out = scratch / "b";
  run(again);
  expect_same_run(scratch / "a", scratch / "b", "00000009");
}

TEST(Run, KeepsTheCheckpointsAskedFor) {
  const ScratchFolder scratch;
  auto options = small_run(scratch / "run");
  options.run.checkpoint_at = {Step::iterations(0), Step::iterations(2)};
  options.run.keep_checkpoints = 2;
  run(options);
  const RunDir dir(scratch / "run", RunDir::Mode::kResume);
  EXPECT_EQ(dir.checkpoint_steps(), (std::vector<int64_t>{0, 2, 6, 9}));
}

TEST(Run, NonFiniteLossStopsNamingStepAndLearningRate) {
  const ScratchFolder scratch;
  auto options = small_run(scratch / "run");
  options.model.name = "mlp";
  options.schedule.lr = 1e30;
  try {
    run(options);
    FAIL();
  } catch (const Error& error) {
    const std::string text = error.what();
    EXPECT_EQ(text.rfind("train: the loss is not finite at step ", 0), 0u) << text;
    EXPECT_NE(text.find("(learning rate 1e+30); no checkpoint was written yet; try a smaller --lr "
                        "or --clip-norm"),
              std::string::npos)
        << text;
  }
  EXPECT_FALSE(fs::exists(scratch / "run/DONE"));
  EXPECT_TRUE(RunDir(scratch / "run", RunDir::Mode::kResume).checkpoint_steps().empty());
}

TEST(Run, FolderWithARunIsNotOverwrittenByAccident) {
  const ScratchFolder scratch;
  const std::string out = scratch / "run";
  run(small_run(out));
  expect_misuse([&] { run(small_run(out)); },
                out +
                    ": already holds a run; continue it with --resume, replace it with "
                    "--overwrite, or choose another --out");
  auto again = small_run(out);
  again.run.overwrite = true;
  EXPECT_EQ(run(again), Outcome::kDone);
  again.run.resume = true;
  expect_misuse([&] { run(again); }, "train: --resume and --overwrite exclude each other");
}

TEST(Run, FolderInUseByAnotherRunIsRefused) {
  const ScratchFolder scratch;
  const RunDir first(scratch / "run", RunDir::Mode::kNew);
  expect_error(
      [&] { run(small_run(scratch / "run")); },
      (scratch / "run") + ": is in use by another run; choose another --out or wait until it ends");
}

TEST(Run, ResumeRefusesOtherSettings) {
  const ScratchFolder scratch;
  const std::string out = scratch / "run";
  auto options = small_run(out);
  run(options, stop_after(4));
  options.run.resume = true;
  options.schedule.lr = 0.2;
  expect_misuse([&] { run(options); },
                out +
                    ": was run with lr 0.05, but --resume was given 0.2; leave the flag out, or "
                    "start a new run with another --out");
}

TEST(Run, CheckpointOfAnotherModelIsRefused) {
  const ScratchFolder scratch;
  const std::string out = scratch / "run";
  auto options = small_run(out);
  run(options, stop_after(4));
  options.model.name = "resnet32";
  options.model.block_widths.clear();
  Experiment other(options);
  RunDir dir(out, RunDir::Mode::kResume);
  Recorder recorder(dir, 3, 0);
  expect_misuse([&] { load_newest_checkpoint(dir, other, recorder, [](const std::string&) {}); },
                out +
                    "/checkpoints/00000004: is a checkpoint of model 'resnet20', not of "
                    "'resnet32'; use --model resnet20");
}

TEST(Run, TargetNoiseNeedsRegression) {
  const ScratchFolder scratch;
  auto options = small_run(scratch / "run");
  options.noise = {};
  options.noise.kind = "rademacher";
  options.noise.sigma = 0.5;
  expect_misuse(
      [&] { run(options); },
      "noise: --noise rademacher acts on regression targets; use it with --loss squared-error");
  options.loss.kind = "squared-error";
  EXPECT_EQ(run(options), Outcome::kDone);
}

// Two ways: the flipped fraction that the step counts, and the rate it was asked for. 5 sigma of a
// binomial.
TEST(Run, CountsFlippedLabels) {
  const ScratchFolder scratch;
  auto options = small_run(scratch / "run");
  options.model.name = "mlp";
  options.data.train_size = 2000;
  options.run.epochs = 1;
  Experiment experiment(options);
  for (int64_t step = 0; step < experiment.end(); ++step) experiment.run_step(step);
  const auto totals = experiment.step().totals();
  EXPECT_EQ(totals.samples, 2000);
  EXPECT_NEAR(totals.flipped_fraction, 0.2, 5 * std::sqrt(0.2 * 0.8 / 2000));
  const double all = totals.accuracy_clean * (1 - totals.flipped_fraction) +
                     totals.accuracy_flipped * totals.flipped_fraction;
  EXPECT_NEAR(all, totals.accuracy, 1e-12);
}

}  // namespace
}  // namespace unlazy::train
