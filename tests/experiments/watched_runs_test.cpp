// `unlazy watch`: runs that begin, grow, are cut and end.
#include "experiments/runs/watched_runs.h"

#include <gtest/gtest.h>

#include "support/fake_runs.h"
#include "support/program.h"
#include "support/scratch_folder.h"

namespace unlazy::experiments {
namespace {

using testing::FakeRun;
using testing::ScratchFolder;

FakeRun watched(double rate, int64_t seed, int64_t epochs, double end) {
  return {.noise_rate = rate,
          .seed = seed,
          .num_epochs = epochs,
          .is_done = false,
          .curves = {{"test_accuracy", [=](double epoch) { return end * epoch / 10; }}}};
}

TEST(WatchedRuns, AppearGrowAndAreCut) {
  const ScratchFolder scratch;
  WatchedRuns runs({scratch / "run"}, {});
  const FrameSize size{.width = 60, .height = 12};
  runs.refresh();
  EXPECT_NE(runs.frame(size).find("no run yet"), std::string::npos);
  EXPECT_NE(runs.frame(size).find("does not exist"), std::string::npos);
  testing::write_fake_run(scratch / "run", watched(0, 0, 4, 1));
  runs.refresh();
  EXPECT_NE(runs.frame(size).find("epoch 4"), std::string::npos) << runs.frame(size);
  EXPECT_NE(runs.frame(size).find("test_accuracy 0.4"), std::string::npos);
  const auto rows = read_file(scratch / "run/metrics.csv");
  write_file(scratch / "run/metrics.csv", rows + "25,5,test_accuracy,0.55\n30,6,tes");
  runs.refresh();
  EXPECT_NE(runs.frame(size).find("test_accuracy 0.55"), std::string::npos);
  write_file(scratch / "run/metrics.csv", rows.substr(0, rows.rfind("15,3,")));
  runs.refresh();
  EXPECT_NE(runs.frame(size).find("test_accuracy 0.2"), std::string::npos) << runs.frame(size);
  write_file(scratch / "run/metrics.csv", "");
  runs.refresh();
  EXPECT_NE(runs.frame(size).find("epoch 0"), std::string::npos) << runs.frame(size);
}

TEST(WatchedRuns, SeedsAreOneLineAndTheFrameFits) {
  const ScratchFolder scratch;
  for (int64_t seed = 0; seed < 2; ++seed) {
    for (const double rate : {0.0, 0.1, 0.2}) {
      testing::write_fake_run(scratch / (number_text(rate) + "-" + std::to_string(seed)),
                              watched(rate, seed, 10, 0.4 + 0.2 * static_cast<double>(seed)));
    }
  }
  WatchedRuns runs({scratch.path()}, {});
  runs.refresh();
  for (const size_t height : {3u, 10u, 24u, 60u}) {
    const auto frame = runs.frame({.width = 70, .height = height});
    EXPECT_LE(std::ranges::count(frame, '\n'), static_cast<std::ptrdiff_t>(height)) << frame;
  }
  const auto frame = runs.frame({.width = 70, .height = 24});
  EXPECT_NE(frame.find("6 runs in 3 groups, 0 finished"), std::string::npos) << frame;
  EXPECT_NE(frame.find("b  noise-rate 0.1 (n = 2)  test_accuracy 0.5"), std::string::npos) << frame;
}

TEST(WatchCommand, PrintsOnePictureAsPlainText) {
  const ScratchFolder scratch;
  testing::write_fake_run(scratch / "run", watched(0.1, 0, 10, 1));
  const auto result = testing::run_program({"watch", scratch / "run", "--once"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.out.find("test_accuracy 1"), std::string::npos) << result.out;
  EXPECT_EQ(result.out.find('\033'), std::string::npos);
  EXPECT_EQ(testing::run_program({"watch", scratch / "run"}).exit_code, 2);
  EXPECT_EQ(testing::run_program({"watch"}).exit_code, 2);
}

TEST(WatchCommand, FollowsTheWindowAndTheRunAndEndsAtCtrlC) {
  const ScratchFolder scratch;
  testing::write_fake_run(scratch / "run", watched(0.1, 0, 10, 1));
  const auto result =
      testing::run_command({"python3", UNLAZY_SOURCE_DIR "/tests/experiments/watch_in_terminal.py",
                            UNLAZY_PROGRAM, scratch / "run"});
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
}

}  // namespace
}  // namespace unlazy::experiments
