// Processes of runs: they wait to be let go, and go with their maker.
#include "sweep/child.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "core/files.h"
#include "support/scratch_folder.h"
#include "sweep/attempt.h"
#include "sweep/options.h"
#include "sweep/runner.h"

namespace unlazy::sweep {
namespace {

using testing::ScratchFolder;

// The program of a child is this one: of the tests.
ChildOptions options_of(const std::string& log, const std::string& filter) {
  return {{"--gtest_filter=" + filter}, log, {"UNLAZY_TEST_CHILD=a value"}};
}

TEST(SweepChild, BeginsWhenItIsLetGo) {
  if (const char* value = std::getenv("UNLAZY_TEST_CHILD")) {
    EXPECT_EQ(std::string(value), "a value");
    return;
  }
  const ScratchFolder scratch;
  const std::string log = scratch / "log";
  write_file(log, "before\n");
  Child child(options_of(log, "SweepChild.BeginsWhenItIsLetGo"));
  EXPECT_TRUE(is_alive(child.process()));
  EXPECT_FALSE(child.has_ended());
  EXPECT_EQ(read_file(log), "before\n");
  child.go();
  while (!child.has_ended()) ::usleep(1000);
  EXPECT_EQ(child.status(), 0);
  EXPECT_FALSE(is_alive(child.process()));
  const auto text = read_file(log);
  EXPECT_EQ(text.find("before\n"), 0u);
  EXPECT_NE(text.find("1 test from 1 test suite ran"), std::string::npos) << text;
}

TEST(SweepChild, EndsWithItsObject) {
  const ScratchFolder scratch;
  Process process;
  {
    const Child child(options_of(scratch / "log", "none"));
    process = child.process();
    EXPECT_TRUE(is_alive(process));
  }
  EXPECT_FALSE(is_alive(process));
}

// Though this process has a handler, which a fork takes along.
TEST(SweepChild, ASignalAtItsBeginEndsIt) {
  const ScratchFolder scratch;
  const auto before = std::signal(SIGTERM, [](int) {});
  Child child(options_of(scratch / "log", "none"));
  child.signal(SIGTERM);
  child.go();
  while (!child.has_ended()) ::usleep(1000);
  std::signal(SIGTERM, before);
  ASSERT_TRUE(WIFSIGNALED(child.status()));
  EXPECT_EQ(WTERMSIG(child.status()), SIGTERM);
}

TEST(SweepChild, ARunIsInUseWhileItsFolderIsLocked) {
  const ScratchFolder scratch;
  EXPECT_FALSE(is_in_use(scratch.path()));
  {
    const FolderLock lock(scratch.path());
    EXPECT_TRUE(is_in_use(scratch.path()));
  }
  EXPECT_FALSE(is_in_use(scratch.path()));
  // A lock that nobody can take is not one that somebody has.
  std::filesystem::remove(scratch / ".lock");
  std::filesystem::create_directory(scratch / ".lock");
  EXPECT_FALSE(is_in_use(scratch.path()));
}

// A parent that is killed cannot tidy up: the system ends its child.
TEST(SweepChild, EndsWithItsParent) {
  if (std::getenv("UNLAZY_TEST_CHILD") != nullptr) {
    for (;;) ::pause();
  }
  const ScratchFolder scratch;
  int numbers[2];
  ASSERT_EQ(::pipe(numbers), 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    Child child(options_of(scratch / "log", "SweepChild.EndsWithItsParent"));
    child.go();
    const Process process = child.process();
    static_cast<void>(!::write(numbers[1], &process, sizeof process));
    for (;;) ::pause();
  }
  Process process;
  ASSERT_EQ(::read(numbers[0], &process, sizeof process), static_cast<ssize_t>(sizeof process));
  EXPECT_TRUE(is_alive(process));
  ::kill(parent, SIGKILL);
  ::waitpid(parent, nullptr, 0);
  while (is_alive(process)) ::usleep(1000);
  for (const int end : numbers) ::close(end);
}

TEST(SweepOptions, CountTheCoresThatTheProcessMayUse) {
  cpu_set_t before, one;
  ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
  CPU_ZERO(&one);
  for (int core = 0; CPU_COUNT(&one) == 0; ++core) {
    if (CPU_ISSET(core, &before)) CPU_SET(core, &one);
  }
  EXPECT_EQ(threads_a_job(1), CPU_COUNT(&before));
  ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(threads_a_job(1), 1);
  EXPECT_EQ(num_jobs({}, 0, 100), 1);
  ASSERT_EQ(::sched_setaffinity(0, sizeof before, &before), 0);
}

TEST(SweepChild, TakesTheGpusThatAreVisible) {
  ::setenv("CUDA_VISIBLE_DEVICES", "1,GPU-ab", 1);
  EXPECT_EQ(visible_gpus(), (std::vector<std::string>{"1", "GPU-ab"}));
  ::setenv("CUDA_VISIBLE_DEVICES", "2,-1,0", 1);
  EXPECT_EQ(visible_gpus(), std::vector<std::string>{"2"});  // as CUDA reads it
  ::setenv("CUDA_VISIBLE_DEVICES", "", 1);
  EXPECT_TRUE(visible_gpus().empty());
  ::unsetenv("CUDA_VISIBLE_DEVICES");
}

}  // namespace
}  // namespace unlazy::sweep
