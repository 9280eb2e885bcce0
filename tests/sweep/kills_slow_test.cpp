// Workers and runs of one sweep, killed at random: every point is done once, with the same numbers.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "core/files.h"
#include "support/program.h"
#include "support/scratch_folder.h"
#include "support/small_run.h"
#include "sweep/lock.h"
#include "sweep/plan.h"
#include "sweep/state.h"

namespace unlazy::sweep {
namespace {

using testing::run_program;
using testing::ScratchFolder;

constexpr int kPoints = 40, kWorkers = 4, kKills = 200;

std::vector<std::string> sweep_words(const std::string& out) {
  return testing::small_sweep(
      out, "20",
      {"--threads", "1", "--jobs", "1", "--", "--seed", "0..9", "--lr", "0.05,0.1,0.2,0.4"});
}

// The program, with its output thrown away.
pid_t start_quietly(std::vector<std::string> words) {
  words.insert(words.begin(), UNLAZY_PROGRAM);
  std::vector<char*> list;
  for (auto& word : words) list.push_back(word.data());
  list.push_back(nullptr);
  const pid_t child = ::fork();
  if (child != 0) return child;
  const int nowhere = ::open("/dev/null", O_WRONLY);
  for (const int output : {STDOUT_FILENO, STDERR_FILENO}) ::dup2(nowhere, output);
  ::execv(list[0], list.data());
  ::_exit(127);
}

int64_t inode_of(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? static_cast<int64_t>(info.st_ino) : 0;
}

pid_t start_worker(const std::string& out) { return start_quietly(sweep_words(out)); }

class Workers {
 public:
  Workers(std::string out, const std::vector<Point>& points)
      : out_(std::move(out)), folder_(out_), points_(points) {
    for (int i = 0; i < kWorkers; ++i) workers_.push_back(start_worker(out_));
  }

  // Workers that were killed or have nothing to do begin again.
  void revive() {
    for (auto& worker : workers_) {
      if (::waitpid(worker, nullptr, WNOHANG) == worker) worker = start_worker(out_);
    }
  }
  void kill_one(std::mt19937& random) {
    const auto runs = runs_now();
    if (random() % 2 == 0 || runs.empty()) {
      ::kill(workers_[random() % workers_.size()], SIGKILL);
      ++num_workers_killed;
    } else {
      ::kill(runs[random() % runs.size()], SIGKILL);
      ++num_runs_killed;
    }
    ++num_kills;
  }
  // How many points are done. A run that is finished must not be written again.
  int look() {
    for (const auto& point : points_) {
      const auto inode = inode_of(folder_.run(point.name) + "/DONE");
      auto& seen = done_[point.name];
      EXPECT_TRUE(seen == 0 || inode == seen) << point.name << " was done twice";
      if (inode != 0) seen = inode;
    }
    return static_cast<int>(
        std::ranges::count_if(done_, [](const auto& entry) { return entry.second != 0; }));
  }
  void end() {
    for (const pid_t worker : workers_) {
      ::kill(worker, SIGKILL);
      ::waitpid(worker, nullptr, 0);
    }
  }

  int num_kills = 0, num_workers_killed = 0, num_runs_killed = 0;

 private:
  std::vector<pid_t> runs_now() {
    LockFolder locks(folder_.state(), 1e6);
    locks.scan();
    std::vector<pid_t> runs;
    for (const auto& point : points_) {
      const auto owner = locks.owner(point.name);
      if (owner && is_alive(owner->child)) runs.push_back(static_cast<pid_t>(owner->child.pid));
    }
    return runs;
  }

  std::string out_;
  SweepFolder folder_;
  const std::vector<Point>& points_;
  std::vector<pid_t> workers_;
  std::map<std::string, int64_t> done_;
};

int count_in(const std::string& text, const std::string& part) {
  int count = 0;
  for (size_t place = 0; (place = text.find(part, place)) != std::string::npos; ++place) ++count;
  return count;
}

TEST(SweepKills, EveryPointIsDoneOnceAndAsUndisturbed) {
  const ScratchFolder scratch;
  const std::string calm = scratch / "calm", wild = scratch / "wild";
  const auto undisturbed = run_program(sweep_words(calm));
  ASSERT_EQ(undisturbed.exit_code, 0) << undisturbed.err;
  const auto points = read_plan(SweepFolder(calm)).points;
  ASSERT_EQ(points.size(), static_cast<size_t>(kPoints));

  Workers workers(wild, points);
  while (!holds_sweep(SweepFolder(wild))) ::usleep(1000);
  std::mt19937 random(1);
  while (workers.num_kills < kKills) {
    workers.revive();
    // The kills are spread over the sweep: faster where it is ahead, later where it is behind.
    const int num_done = workers.look(), wanted = kPoints * workers.num_kills / kKills;
    if (num_done + 1 < wanted) {
      ::usleep(10000);
      continue;
    }
    ::usleep(random() % (num_done > wanted ? 30000 : 400000));
    workers.kill_one(random);
  }
  const int num_done_before = workers.look();
  workers.end();
  const auto last = run_program(sweep_words(wild));
  EXPECT_EQ(last.exit_code, 0) << last.out << last.err;
  EXPECT_EQ(workers.look(), kPoints);

  const SweepFolder a(calm), b(wild);
  int num_tries = 0;
  for (const auto& [name, set] : points) {
    SCOPED_TRACE(name);
    for (const std::string file : {"metrics.csv", "checkpoints/00000040/model.safetensors",
                                   "checkpoints/00000040/state.safetensors"})
      EXPECT_EQ(read_file(a.run(name) + "/" + file), read_file(b.run(name) + "/" + file)) << file;
    const auto log = read_file(b.log(name));
    EXPECT_LE(count_in(log, "\ndone: "), 1) << log;
    EXPECT_EQ(count_in(log, "is finished already"), 0) << log;
    EXPECT_EQ(count_in(log, "is in use"), 0) << log;
    EXPECT_FALSE(failure_of(b, name));
    num_tries += count_in(log, kLogBegin);
  }
  RecordProperty("tries", num_tries);
  std::cout << workers.num_workers_killed << " workers and " << workers.num_runs_killed
            << " runs killed, " << num_done_before << " points done by then; " << num_tries
            << " tries\n";
  EXPECT_GT(num_tries, kPoints);  // the kills were there
}

// Ctrl-C: the run writes a checkpoint, and the same command goes on from it.
TEST(SweepKills, AnInterruptStopsTheRunsWithACheckpoint) {
  const ScratchFolder scratch;
  const std::string out = scratch / "sweep", run = out + "/seed=0";
  // Long enough to be caught; no checkpoint and no row on the way.
  const auto words = testing::small_sweep(
      out, "5000",
      {"--measure-every", "5000ep", "--checkpoint-every", "5000ep", "--", "--seed", "0"});
  const pid_t sweep = start_quietly(words);
  while (!std::filesystem::exists(run + "/metrics.csv")) ::usleep(1000);
  ::kill(sweep, SIGINT);
  int status = 0;
  ::waitpid(sweep, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGINT) << status;
  EXPECT_FALSE(is_done(run));
  EXPECT_FALSE(failure_of(SweepFolder(out), "seed=0"));
  const auto stopped = run_program({"sweep", "status", out});
  EXPECT_NE(stopped.out.find("seed=0  stopped"), std::string::npos) << stopped.out;
  EXPECT_EQ(run_program(words).exit_code, 0);
  EXPECT_EQ(count_in(read_file(SweepFolder(out).log("seed=0")), "continuing from step "), 1);
}

}  // namespace
}  // namespace unlazy::sweep
