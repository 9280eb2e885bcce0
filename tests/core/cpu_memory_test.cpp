#include "core/cpu_memory.h"

#include <ATen/ops/ones.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

namespace unlazy {
namespace {

constexpr int64_t kBlock = int64_t{64} << 20;

int64_t resident_bytes() {
  std::ifstream in("/proc/self/statm");
  int64_t all = 0, resident = 0;
  in >> all >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

// Exit code 0: the block was kept after it was freed, and then given back.
[[noreturn]] void keep_and_give_back() {
  use_caching_cpu_allocator();
  const int64_t before = resident_bytes();
  at::ones({kBlock}, at::kByte);
  if (resident_bytes() - before < kBlock / 2) std::_Exit(1);
  give_back_free_memory();
  std::_Exit(resident_bytes() - before < kBlock / 2 ? 0 : 2);
}

TEST(CpuMemoryDeathTest, FreeBlocksAreKeptUntilTheyAreGivenBack) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";  // a process without threads
  EXPECT_EXIT(keep_and_give_back(), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace unlazy
