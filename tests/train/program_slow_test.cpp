// Training as a user runs it: killed, interrupted, on a full disk.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "core/files.h"
#include "support/program.h"
#include "support/scratch_folder.h"

namespace unlazy::train {
namespace {

namespace fs = std::filesystem;
using testing::run_command;
using testing::run_program;
using testing::ScratchFolder;

// 3 epochs of 4 steps with augmentation, label noise and momentum.
std::vector<std::string> arguments(const std::string& out) {
  return {"train",
          "--data",
          "cifar10-sample",
          "--train-size",
          "128",
          "--test-size",
          "50",
          "--batch",
          "32",
          "--model",
          "resnet20",
          "--noise",
          "flip",
          "--noise-rate",
          "0.1",
          "--momentum",
          "0.9",
          "--lr",
          "0.05",
          "--epochs",
          "3",
          "--threads",
          "1",
          "--precision",
          "fp32",
          "--out",
          out};
}

std::vector<std::string> with(std::vector<std::string> list,
                              std::initializer_list<std::string> more) {
  list.insert(list.end(), more);
  return list;
}

// Starts the program and sends it `signal` once `is_time` says so; returns the status that waitpid
// gives.
int signal_when(const std::vector<std::string>& arguments, int signal,
                const std::function<bool()>& is_time) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::vector<char*> argv = {const_cast<char*>(UNLAZY_PROGRAM)};
    for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    if (std::freopen("/dev/null", "w", stdout) == nullptr ||
        std::freopen("/dev/null", "w", stderr) == nullptr)
      ::_exit(99);
    ::execv(UNLAZY_PROGRAM, argv.data());
    ::_exit(99);
  }
  int status = 0;
  while (!is_time() && ::waitpid(child, &status, WNOHANG) == 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  ::kill(child, signal);
  ::waitpid(child, &status, 0);
  return status;
}

void expect_same_end(const std::string& a, const std::string& b) {
  for (const char* name : {"checkpoints/00000012/model.safetensors",
                           "checkpoints/00000012/state.safetensors", "metrics.csv"}) {
    EXPECT_EQ(read_file(a + "/" + name), read_file(b + "/" + name)) << name;
  }
}

TEST(TrainProgram, ThreeEpochsWithAKillInTheMiddleAreThreeEpochs) {
  const ScratchFolder scratch;
  const std::string whole = scratch / "whole", killed = scratch / "killed";
  ASSERT_EQ(run_program(arguments(whole)).exit_code, 0);
  const int status = signal_when(arguments(killed), SIGKILL,
                                 [&] { return fs::exists(killed + "/checkpoints/00000004"); });
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  EXPECT_FALSE(fs::exists(killed + "/DONE"));
  EXPECT_EQ(run_program({"train", "--out", killed, "--resume"}).exit_code, 0);
  expect_same_end(whole, killed);
}

TEST(TrainProgram, InterruptWritesACheckpointAndExits130) {
  const ScratchFolder scratch;
  const std::string whole = scratch / "whole", stopped = scratch / "stopped";
  ASSERT_EQ(run_program(arguments(whole)).exit_code, 0);
  const int status = signal_when(with(arguments(stopped), {"--checkpoint-every", "never"}), SIGINT,
                                 [&] { return fs::exists(stopped + "/metrics.csv"); });
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 130);
  EXPECT_EQ(std::distance(fs::directory_iterator(stopped + "/checkpoints"), {}), 1);
  EXPECT_EQ(run_program({"train", "--out", stopped, "--resume"}).exit_code, 0);
  expect_same_end(whole, stopped);
}

// A limit on the size of files, lower than a checkpoint, stands for a full disk: write() fails in
// the middle.
TEST(TrainProgram, FullDiskLeavesTheOlderCheckpointAndSaysWhatToDo) {
  const ScratchFolder scratch;
  const std::string whole = scratch / "whole", full = scratch / "full";
  ASSERT_EQ(run_program(arguments(whole)).exit_code, 0);
  ASSERT_EQ(run_program(with(arguments(full), {"--max-steps", "4"})).exit_code, 0);
  const auto result =
      run_command({"bash", "-c", "ulimit -f 500; exec \"$@\"", "bash", UNLAZY_PROGRAM, "train",
                   "--out", full, "--resume", "--max-steps", "0"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.err,
            "unlazy: checkpoint: step 8 was not saved: " + full +
                "/checkpoints/00000008.writing/model.safetensors: cannot be written: File too "
                "large; free some space or "
                "choose another folder; older checkpoints are untouched, continue with --resume\n");
  EXPECT_TRUE(fs::exists(full + "/checkpoints/00000004"));
  EXPECT_FALSE(fs::exists(full + "/checkpoints/00000008.writing"));
  EXPECT_EQ(run_program({"train", "--out", full, "--resume"}).exit_code, 0);
  expect_same_end(whole, full);
}

TEST(TrainProgram, WrongFlagsAreNamed) {
  auto result = run_program({"train", "--noise-rat", "0.1"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.err,
            "unlazy: train: there is no flag --noise-rat; did you mean --noise-rate?\n");
  result = run_program({"train", "--noise", "flip", "--noise-rate", "1.5"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.err, "unlazy: --noise-rate must be in [0, 1], got 1.5\n");
  result = run_program(
      {"train", "--data", "cifar10", "--data-dir", "/nonexistent", "--out", "/tmp/never"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.err.find("/nonexistent"), std::string::npos);
  EXPECT_NE(result.err.find("tools/fetch_cifar10.sh"), std::string::npos);
  result = run_program({"train", "--model", "resnet19"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.err, "unlazy: --model: there is no 'resnet19'; did you mean 'resnet18'?\n");
}

}  // namespace
}  // namespace unlazy::train
