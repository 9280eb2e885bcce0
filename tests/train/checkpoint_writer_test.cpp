// Checkpoints that are written while training goes on.
#include "train/checkpoint_writer.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/files.h"
#include "core/safetensors.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"
#include "support/small_run.h"
#include "train/loop.h"
#include "train/saved_run.h"

namespace unlazy::train {
namespace {

namespace fs = std::filesystem;
using testing::expect_error;

// No file grows beyond `bytes` while it lives: a full disk.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit low{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &low);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  void (*handler_)(int);
  rlimit before_{};
};
constexpr rlim_t kLessThanACheckpoint = 100'000;

class CheckpointWriterTest : public ::testing::Test {
 protected:
  CheckpointWriterTest()
      : options_(testing::small_run()),
        experiment_(options_),
        run_(scratch_ / "run", RunDir::Mode::kNew),
        recorder_(run_, experiment_.steps_per_epoch(), 0.5),
        writer_(std::make_unique<CheckpointWriter>(
            run_, experiment_, recorder_, std::vector<int64_t>{1},
            [this](const std::string& text) { notes_.push_back(text); })) {}

  void train(int64_t step) {
    experiment_.run_step(step);
    recorder_.add(step + 1, "test_loss", 1.0 / static_cast<double>(step + 1));
  }
  // Writes the state of now, here and without the writer.
  void write_expected(const std::string& name) {
    auto state = experiment_.optimizer().state();
    state.emplace_back("train-sums", experiment_.step().sums());
    make_folder(scratch_ / name);
    save_tensors(scratch_ / name + "/model.safetensors",
                 {experiment_.named_tensors(), {{"format", "pt"}, {"model", "mlp"}}});
    save_tensors(scratch_ / name + "/state.safetensors", {state, {}});
  }
  void expect_written(int64_t step, const std::string& name) {
    for (const char* file : {"/model.safetensors", "/state.safetensors"}) {
      EXPECT_EQ(read_file(run_.checkpoint(step) + file), read_file(scratch_ / name + file))
          << name << file;
    }
  }
  std::string full_disk_message(int64_t step, const std::string& advice) const {
    return "checkpoint: step " + std::to_string(step) + " was not saved: " + run_.checkpoint(step) +
           ".writing/model.safetensors: cannot be written: File too large; free some space or "
           "choose another folder; " +
           advice;
  }

  testing::ScratchFolder scratch_;
  TrainOptions options_;
  Experiment experiment_;
  RunDir run_;
  Recorder recorder_;
  std::vector<std::string> notes_;
  std::unique_ptr<CheckpointWriter> writer_;
};

TEST_F(CheckpointWriterTest, WhatComesAfterTheSnapshotIsNotInTheFiles) {
  train(0);
  train(1);
  write_expected("two");
  recorder_.flush();
  const auto rows = fs::file_size(run_.file("metrics.csv"));
  writer_->start(2);
  {
    const at::NoGradGuard no_grad;
    for (auto& [name, tensor] : experiment_.named_tensors()) tensor.fill_(7);
    for (auto& [name, tensor] : experiment_.optimizer().state()) tensor.fill_(7);
  }
  experiment_.step().reset_totals();
  recorder_.add(3, "test_loss", 7);
  recorder_.flush();
  writer_->finish();
  expect_written(2, "two");
  const auto meta = nlohmann::json::parse(read_file(run_.checkpoint(2) + "/meta.json"));
  EXPECT_EQ(meta.at("step"), 2);
  EXPECT_EQ(meta.at("recorder").at("metrics-bytes"), rows);
}

TEST_F(CheckpointWriterTest, TheNextCheckpointWaitsForTheOneBefore) {
  for (int64_t step = 0; step < 4; ++step) {
    train(step);
    write_expected(std::to_string(step + 1));
    writer_->start(step + 1);
    // The one before is on the disk, and what it makes superfluous is gone. That of step 1 is
    // spared.
    if (step == 1) {
      EXPECT_EQ(run_.checkpoint_steps(), (std::vector<int64_t>{1}));
    }
    if (step == 3) {
      EXPECT_EQ(run_.checkpoint_steps(), (std::vector<int64_t>{1, 3}));
      expect_written(3, "3");
    }
  }
  writer_->finish();
  EXPECT_EQ(run_.checkpoint_steps(), (std::vector<int64_t>{1, 4}));
  expect_written(1, "1");
  expect_written(4, "4");
  EXPECT_TRUE(notes_.empty());
}

TEST_F(CheckpointWriterTest, ItsEndWaitsForTheCheckpoint) {
  train(0);
  write_expected("one");
  writer_->start(1);
  writer_.reset();
  EXPECT_EQ(run_.checkpoint_steps(), (std::vector<int64_t>{1}));
  expect_written(1, "one");
}

TEST_F(CheckpointWriterTest, AnErrorIsThrownOnceByTheNextCall) {
  const std::string none = "there is no older one: start the run again with --resume";
  {
    const FullDisk full(kLessThanACheckpoint);
    writer_->start(1);
    expect_error([&] { writer_->finish(); }, full_disk_message(1, none));
    writer_->finish();
    writer_->start(2);
    expect_error([&] { writer_->start(3); }, full_disk_message(2, none));
    writer_->start(4);
    const auto polls = [&] {
      for (int i = 0; i < 10'000; ++i) {
        writer_->poll();
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    };
    expect_error(polls, full_disk_message(4, none));
  }
  EXPECT_TRUE(fs::is_empty(run_.file("checkpoints")));
  writer_->start(5);
  writer_->finish();
  EXPECT_EQ(run_.checkpoint_steps(), (std::vector<int64_t>{5}));
}

// Of four steps with a checkpoint at each second one.
TEST_F(CheckpointWriterTest, ARunWhoseLastCheckpointFailsIsNotDone) {
  options_.run.max_steps = 4;
  options_.run.checkpoint_every = Step::iterations(2);
  Experiment experiment(options_);
  std::unique_ptr<FullDisk> full;
  Hooks hooks;
  hooks.should_stop = [&, left = 4]() mutable {
    if (--left > 0) return false;
    while (run_.checkpoint_steps().empty()) std::this_thread::yield();  // the one before
    full = std::make_unique<FullDisk>(kLessThanACheckpoint);
    return false;
  };
  expect_error([&] { Loop(experiment, run_, recorder_, hooks).run({}); },
               full_disk_message(4, "older checkpoints are untouched, continue with --resume"));
  full.reset();
  EXPECT_EQ(run_.checkpoint_steps(), (std::vector<int64_t>{2}));
  EXPECT_FALSE(fs::exists(run_.file("DONE")));
}

TEST_F(CheckpointWriterTest, TheLastGoodCheckpointIsNamedThoughItWasBeingWritten) {
  options_.run.checkpoint_every = Step::iterations(1);
  options_.model.hidden_width = 300;  // writing takes longer than a step
  Experiment experiment(options_);
  Hooks hooks;
  hooks.should_stop = [&, step = 0]() mutable {
    const at::NoGradGuard no_grad;
    if (++step == 3) experiment.parameters().values()[5] = std::numeric_limits<double>::infinity();
    return false;
  };
  expect_error([&] { Loop(experiment, run_, recorder_, hooks).run({}); },
               "train: an update left weights that are not finite at step 2 (learning rate 0.05); "
               "the last good checkpoint is " +
                   run_.checkpoint(2) + "; try a smaller --lr or --clip-norm");
}

TEST_F(CheckpointWriterTest, EveryNumberThatIsNotFiniteIsFound) {
  const at::NoGradGuard no_grad;
  EXPECT_TRUE(is_finite(experiment_));
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  auto tensors = experiment_.optimizer().state();
  tensors.emplace_back("values", experiment_.parameters().values());
  for (auto& [name, tensor] : tensors) {
    if (tensor.dim() != 1) continue;
    for (const double bad : {kInfinity, -kInfinity, std::nan("")}) {
      for (const int64_t i : {int64_t{0}, tensor.numel() / 2, tensor.numel() - 1}) {
        const at::Tensor before = tensor[i].clone();
        tensor[i] = bad;
        EXPECT_FALSE(is_finite(experiment_)) << name << " " << i << " " << bad;
        tensor[i] = before;
      }
    }
  }
  EXPECT_TRUE(is_finite(experiment_));
}

}  // namespace
}  // namespace unlazy::train
