// Locks of points: one holder, and who is dead.
#include "sweep/lock.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "core/files.h"
#include "support/scratch_folder.h"

namespace unlazy::sweep {
namespace {

namespace fs = std::filesystem;
using testing::ScratchFolder;

constexpr double kLong = 1e6;  // seconds: silence that no test waits for

// The lock of a process on another machine.
std::string foreign_lock(int beat) {
  return R"({"host": "far", "machine": "another", "process": [1, 1], "run": [2, 2], "beat": )" +
         std::to_string(beat) + "}";
}

std::set<std::string> files_in(const std::string& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    names.insert(entry.path().filename().string());
  return names;
}

TEST(SweepLock, HasOneHolder) {
  const ScratchFolder scratch;
  LockFolder one(scratch.path(), kLong), other(scratch.path(), kLong);
  auto lock = one.try_lock("seed=0");
  ASSERT_NE(lock, nullptr);
  EXPECT_EQ(other.try_lock("seed=0"), nullptr);
  EXPECT_EQ(one.try_lock("seed=0"), nullptr);
  EXPECT_EQ(other.owner("seed=0")->process, process_of(::getpid()));
  EXPECT_NE(other.try_lock("seed=1"), nullptr);  // and goes at once
  lock.reset();
  EXPECT_NE(other.try_lock("seed=0"), nullptr);
}

TEST(SweepLock, OfADonePointLeavesNothing) {
  const ScratchFolder scratch;
  LockFolder locks(scratch.path(), kLong);
  locks.try_lock("a").reset();
  locks.try_lock("a")->remove();
  EXPECT_TRUE(files_in(scratch.path()).empty());
}

// A child process takes the lock and ends without a word.
void lock_and_die(const std::string& folder, pid_t run) {
  const pid_t child = ::fork();
  if (child == 0) {
    LockFolder locks(folder, kLong);
    auto lock = locks.try_lock("a");
    if (lock && run > 0) lock->set_child(process_of(run));
    ::_exit(lock ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
}

TEST(SweepLock, OfADeadProcessIsFree) {
  const ScratchFolder scratch;
  lock_and_die(scratch.path(), 0);
  LockFolder locks(scratch.path(), kLong);
  const auto lock = locks.try_lock("a");
  ASSERT_NE(lock, nullptr);
  EXPECT_EQ(files_in(scratch.path()), std::set<std::string>{"a.lock.2"});
}

TEST(SweepLock, OfADeadProcessIsHeldWhileItsRunLives) {
  const ScratchFolder scratch;
  lock_and_die(scratch.path(), ::getpid());
  LockFolder locks(scratch.path(), 0);
  EXPECT_EQ(locks.try_lock("a"), nullptr);
}

// This process could not write down that it released the lock.
TEST(SweepLock, ThatNamesItsReaderIsFreeUnlessItHoldsIt) {
  const ScratchFolder scratch;
  LockFolder locks(scratch.path(), kLong);
  std::string text;
  {
    const auto lock = locks.try_lock("a");
    ASSERT_NE(lock, nullptr);
    text = read_file(scratch / "a.lock.1");
    EXPECT_EQ(LockFolder(scratch.path() + "/.", kLong).try_lock("a"), nullptr);
  }
  fs::remove(scratch / "a.lock.1");
  write_file(scratch / "a.lock.1", text);
  LockFolder other(scratch.path(), kLong);
  EXPECT_NE(other.try_lock("a"), nullptr);
}

TEST(SweepLock, OfAnotherMachineIsFreeAfterSilence) {
  const ScratchFolder scratch;
  write_file(scratch / "a.lock.3", foreign_lock(1));
  LockFolder patient(scratch.path(), kLong), hasty(scratch.path(), 0);
  EXPECT_EQ(patient.try_lock("a"), nullptr);
  EXPECT_EQ(patient.owner("a")->host, "far");
  const auto lock = hasty.try_lock("a");
  ASSERT_NE(lock, nullptr);
  EXPECT_EQ(files_in(scratch.path()), std::set<std::string>{"a.lock.4"});
}

// An empty file: its maker is between making and writing it, or died there.
TEST(SweepLock, ThatIsBeingWrittenIsHeld) {
  const ScratchFolder scratch;
  write_file(scratch / "a.lock.1", "");
  LockFolder patient(scratch.path(), kLong), hasty(scratch.path(), 0);
  EXPECT_EQ(patient.try_lock("a"), nullptr);
  EXPECT_NE(hasty.try_lock("a"), nullptr);
}

TEST(SweepLock, ABeatIsSeenAsLife) {
  const ScratchFolder scratch;
  constexpr double kTimeout = 0.2;
  LockFolder locks(scratch.path(), kTimeout);
  const double start = seconds_since_boot();
  for (int beat = 0; seconds_since_boot() - start < 2 * kTimeout; ++beat) {
    write_file(scratch / "a.lock.1", foreign_lock(beat));
    locks.scan();
    ASSERT_TRUE(locks.owner("a"));
  }
  while (!locks.try_lock("a")) ::usleep(1000);
}

TEST(SweepLock, ATakenOneEndsItsHolder) {
  const ScratchFolder scratch;
  LockFolder locks(scratch.path(), 0.5);
  const auto lock = locks.try_lock("a");
  ASSERT_TRUE(lock->beat());
  write_file(scratch / "a.lock.2", foreign_lock(1));
  while (lock->beat()) ::usleep(1000);
  // What it leaves behind does not disturb the new holder.
  EXPECT_EQ(read_file(scratch / "a.lock.2"), foreign_lock(1));
}

// Many processes, each adding one under the lock: no two are inside at a time.
TEST(SweepLock, ManyProcessesTakeTurns) {
  const ScratchFolder scratch;
  fs::create_directory(scratch / "locks");
  write_file(scratch / "count", "0");
  constexpr int kProcesses = 6, kTurns = 20;
  std::vector<pid_t> children;
  for (int i = 0; i < kProcesses; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      LockFolder locks(scratch / "locks", kLong);
      for (int turn = 0; turn < kTurns;) {
        const auto lock = locks.try_lock("a");
        if (!lock) continue;
        const int count = std::stoi(read_file(scratch / "count"));
        write_file(scratch / "count", std::to_string(count + 1));
        ++turn;
        if (turn == kTurns) ::_exit(0);  // dies with the lock
      }
    }
    children.push_back(child);
  }
  for (const pid_t child : children) ::waitpid(child, nullptr, 0);
  EXPECT_EQ(read_file(scratch / "count"), std::to_string(kProcesses * kTurns));
}

}  // namespace
}  // namespace unlazy::sweep
