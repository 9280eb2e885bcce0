// unlazy sweep as a user calls it: what it prints, what it refuses, exit codes.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "core/files.h"
#include "support/program.h"
#include "support/scratch_folder.h"
#include "support/small_run.h"
#include "sweep/lock.h"

namespace unlazy {
namespace {

namespace fs = std::filesystem;
using testing::run_program;
using testing::ScratchFolder;
using Words = std::vector<std::string>;

Words operator+(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

// A simulation of a tenth of a second.
Words synthetic(const std::string& out) {
  return {"sweep",  "synthetic", "--steps",         "100",   "--dim", "2", "--samples", "8",
          "--jobs", "2",         "--figures=false", "--out", out};
}
// A run of a network that takes about as long.
Words training(const std::string& out) { return testing::small_sweep(out, "2"); }

void expect_misuse(const Words& words, const std::string& message) {
  const auto result = run_program(words);
  EXPECT_EQ(result.exit_code, 2) << result.out;
  EXPECT_EQ(result.err, "unlazy: " + message + "\n");
}

TEST(SweepCommand, RunsEachPointOnceAndGrows) {
  const ScratchFolder scratch;
  const std::string out = scratch / "sweep";
  const auto first = run_program(synthetic(out) + Words{"--", "--width", "8,9", "--seed", "0..1"});
  EXPECT_EQ(first.exit_code, 0) << first.err;
  EXPECT_NE(first.out.find("width=8,seed=0: started\n"), std::string::npos) << first.out;
  EXPECT_NE(first.out.find("done: " + out + " (4 of 4 points)\n"), std::string::npos) << first.out;
  for (const char* name : {"width=8,seed=0", "width=8,seed=1", "width=9,seed=0", "width=9,seed=1"})
    EXPECT_TRUE(fs::exists(out + "/" + name + "/DONE")) << name;
  const auto written = fs::last_write_time(out + "/width=8,seed=0/DONE");
  const auto again = run_program(synthetic(out) + Words{"--", "--seed", "0..2", "--width", "8,9"});
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(again.out.find("4/6 done\n"), 0u) << again.out;
  EXPECT_EQ(again.out.find("width=8,seed=0:"), std::string::npos) << again.out;
  EXPECT_EQ(fs::last_write_time(out + "/width=8,seed=0/DONE"), written);
  EXPECT_TRUE(fs::exists(out + "/width=9,seed=2/DONE"));
}

TEST(SweepCommand, RefusesBeforeAnythingStarts) {
  const ScratchFolder scratch;
  const std::string out = scratch / "sweep";
  const auto refused = [&](const Words& axes, const std::string& message) {
    expect_misuse(training(out) + axes, message);
    EXPECT_FALSE(fs::exists(out));
  };
  refused({"--", "--nose", "flip"}, "train: there is no flag --nose; did you mean --noise?");
  refused({"--", "--seed", "0", "--seed", "1"},
          "sweep: the axis --seed stands there twice; give all its values at once");
  refused({"--", "--seed", "0,1,0"}, "sweep: the axis --seed has the value 0 twice");
  refused({"--", "--lr", "0.1,0.10"}, "sweep: the axis --lr has the value 0.1 twice");
  refused({"--noise", "flip", "--", "--noise-rate", "0.1,1.5"},
          "--noise-rate must be in [0, 1], got 1.5");
  refused(
      {"--noise", "flip", "--", "--seed", "0"},
      "sweep: the point seed=0 is refused: --noise flip needs --noise-rate, such as --noise-rate "
      "0.1; give --noise-rate 0 if you mean none");
  // What only the data and the network tell.
  refused({"--optimizer", "sam", "--rho", "0.1", "--", "--sam-m", "8,5"},
          "sweep: the point sam-m=5 is refused: sam: --sam-m must divide --batch 16, got 5");
  refused({"--train-size", "99999", "--", "--seed", "0,1"},
          "sweep: the point seed=0 is refused: data: --train-size 99999 is more than the 2500 "
          "images there "
          "are");
  const auto without = run_program(training(out) + Words{"--seed", "0..2"});
  EXPECT_EQ(without.exit_code, 2);
  EXPECT_NE(without.err.find("; axes stand after --, such as -- --seed 0..4, or in --grid FILE"),
            std::string::npos)
      << without.err;
  expect_misuse({"sweep", "--out", out},
                "sweep: name first what to sweep: train, compare, prune, synthetic, status, point");
  expect_misuse({"sweep", "prune", "--runs", "a", "--", "--criterion", "random"},
                "sweep prune: a point is of one run; leave out --runs, and give the runs as an "
                "axis: -- --run RUN,RUN,..");
  refused({"--print", "--", "--seed", "0"},
          "--print has no effect with --slurm=false; leave it out, or give --slurm");
  refused({"--", "--batch", "16,32"},
          "sweep: --batch is an axis and stands before -- too; leave one of them out");
  refused({"--", "--out", "a,b"}, "sweep: --out cannot be an axis");
  refused({"--", "--noise-rate", "0.1"},
          "sweep: the point noise-rate=0.1 is refused: --noise-rate 0.1 has no effect with --noise "
          "none; leave it out, or give --noise flip, flip-any, fixed-count, static, asymmetric, "
          "pair");
  refused({},
          "sweep train: names no axis; give them after --, such as -- --seed 0..4, or as "
          "--grid FILE");
  refused({"--resume", "--", "--seed", "0"},
          "sweep train: leave out --resume; the same command continues a sweep, and another one "
          "needs another --out");
  refused({"--job", "2", "--", "--seed", "0"},
          "sweep train: there is no flag --job; did you mean --jobs?");
  refused({"--when", "seed:sed>0", "--", "--seed", "0"},
          "sweep: the condition sed>0 asks about --sed, an option that unlazy train does not have");
  refused({"--when", "seed:device=cpu", "--", "--seed", "0"},
          "sweep: the condition device=cpu asks about --device, which decides no result");
  refused({"--slurm", "--jobs", "2", "--", "--seed", "0"},
          "sweep train: --jobs has no effect with --slurm, where a task runs one point; leave it "
          "out, or give --slurm-limit, the tasks at a time");
  const auto misspelt =
      run_program(training(out) + Words{"--when", "seed:noise=flp", "--", "--seed", "0"});
  EXPECT_EQ(misspelt.exit_code, 2);
  EXPECT_EQ(misspelt.err.find("unlazy: sweep: the condition noise=flp is refused: --noise"), 0u)
      << misspelt.err;
}

TEST(SweepCommand, AFailedPointIsKeptAndRetriedWhenAsked) {
  const ScratchFolder scratch;
  const std::string out = scratch / "sweep";
  // A learning rate at which the loss is infinite.
  const Words words = training(out) + Words{"--", "--lr", "1e30,0.01"};
  const auto first = run_program(words);
  EXPECT_EQ(first.exit_code, 1);
  EXPECT_NE(first.err.find("unlazy: sweep: 1 of 2 points failed: lr=1e%2B30\nWhat they printed is "
                           "in " +
                           out + "/logs. --retry-failed tries them again\n"),
            std::string::npos)
      << first.err;
  EXPECT_NE(first.out.find("lr=1e%2B30: failed: train: "), std::string::npos) << first.out;
  EXPECT_TRUE(fs::exists(out + "/lr=0.01/DONE"));
  const auto log = out + "/logs/lr=1e%2B30.log";
  const auto size = fs::file_size(log);
  const auto again = run_program(words);
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_EQ(fs::file_size(log), size);  // it was not tried
  const auto status = run_program({"sweep", "status", out});
  EXPECT_NE(status.out.find("lr=1e%2B30  failed"), std::string::npos) << status.out;
  EXPECT_NE(status.out.find("not finite at step"), std::string::npos) << status.out;
  EXPECT_NE(status.out.find("\n1 done, 1 failed\n"), std::string::npos) << status.out;
  auto retried = words;
  retried.insert(retried.begin() + 2, "--retry-failed");
  EXPECT_EQ(run_program(retried).exit_code, 1);
  EXPECT_GT(fs::file_size(log), size);
}

TEST(SweepCommand, RefusesFoldersOfOtherSweeps) {
  const ScratchFolder scratch;
  const std::string out = scratch / "sweep";
  const Words seeds = {"--", "--seed", "0"};
  ASSERT_EQ(run_program(synthetic(out) + seeds).exit_code, 0);
  expect_misuse(training(out) + seeds,
                out +
                    ": holds a sweep of unlazy synthetic, not of unlazy train; choose another "
                    "--out");
  expect_misuse(synthetic(out) + Words{"--lr", "0.5"} + seeds,
                out +
                    ": its sweep was begun with --lr 0.001, but this command has 0.5; give what "
                    "it was begun with, or choose another --out");
  expect_misuse(
      {"sweep", "status", scratch.path()},
      scratch.path() + ": holds no sweep (no sweep.json); name the --out of unlazy sweep");
}

TEST(SweepCommand, DryRunListsAndWritesNothing) {
  const ScratchFolder scratch;
  const std::string out = scratch / "sweep";
  write_file(scratch / "grid.json",
             R"({"axes": {"noise-rate": [0, 0.1], "noise": ["flip", "pair"]},
                 "when": {"noise": "noise-rate>0"}})");
  const auto result = run_program(training(out) + Words{"--grid", scratch / "grid.json", "--jobs",
                                                        "1", "--dry-run", "--", "--seed", "0"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out.find("noise-rate=0,seed=0\nnoise-rate=0.1,noise=flip,seed=0\n"
                            "noise-rate=0.1,noise=pair,seed=0\n3 points, 1 at a time, in " +
                            out + "\n"),
            0u)
      << result.out;
  // Three points, one at a time: three times what the first needs.
  const auto first = result.out.find("\ntime     "),
             all = result.out.find("\n3 points are left; if ");
  ASSERT_NE(first, std::string::npos) << result.out;
  EXPECT_NE(all, std::string::npos) << result.out;
  EXPECT_FALSE(fs::exists(out));
}

TEST(SweepCommand, OnePointForACluster) {
  const ScratchFolder scratch;
  const std::string out = scratch / "sweep";
  const Words words = synthetic(out) + Words{"--", "--seed", "0..1"};
  ASSERT_EQ(run_program(words).exit_code, 0);
  fs::remove_all(out + "/seed=1");
  const auto result = run_program({"sweep", "point", out, "1"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(fs::exists(out + "/seed=1/DONE"));
  // One that another machine has is waited for: a lock that stays silent is taken over.
  fs::remove_all(out + "/seed=1");
  write_file(
      out + "/state/seed=1.lock.1",
      R"({"host": "far", "machine": "another", "process": [1, 1], "run": [2, 2], "beat": 1})");
  const Words point = {"sweep", "point", out, "1", "--lock-timeout", "2"};
  EXPECT_EQ(run_program(point).exit_code, 0);
  EXPECT_TRUE(fs::exists(out + "/seed=1/DONE"));
  // That of a process that lives is left to it, and nobody is told that the point is done.
  fs::remove_all(out + "/seed=1");
  sweep::LockFolder locks(out + "/state", 60);
  const auto lock = locks.try_lock("seed=1");
  ASSERT_NE(lock, nullptr);
  const auto held = run_program(point);
  EXPECT_EQ(held.exit_code, 1);
  EXPECT_EQ(held.out.find("done:"), std::string::npos) << held.out;
  EXPECT_NE(held.err.find("sweep: 1 of 1 points are run by other processes: seed=1 (" +
                          sweep::host_name() + ", process " + std::to_string(::getpid()) + ")"),
            std::string::npos)
      << held.err;
  expect_misuse({"sweep", "point", out, "2"},
                "sweep point: the points are numbered 0 to 1, got '2'");
}

}  // namespace
}  // namespace unlazy
