#include "support/faults.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

#include "core/error.h"

namespace {

constexpr int kEnded = 0, kFailed = 1, kFaulted = 77;

// The second thread of a checkpoint comes here too.
std::atomic<bool> is_armed = false, has_faulted = false;
std::atomic<int64_t> operations_left = 0;
unlazy::testing::Fault kind = unlazy::testing::Fault::kKill;

template <class Function>
Function real(Function, const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

// Called before each change. True: it must fail.
bool comes_to_fault(bool needs_space) {
  if (!is_armed) return false;
  if (!has_faulted && operations_left-- > 0) return false;
  if (kind == unlazy::testing::Fault::kKill) ::_exit(kFaulted);
  has_faulted = true;
  errno = ENOSPC;
  return needs_space;
}

bool changes(int flags) { return (flags & (O_WRONLY | O_RDWR)) != 0; }

}  // namespace

// The names of the C library, found by its callers here first.
extern "C" {

int open(const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const auto mode = static_cast<mode_t>(va_arg(list, int));
  va_end(list);
  if (changes(flags) && comes_to_fault(true)) return -1;
  return real(&open, "open")(path, flags, mode);
}
FILE* fopen64(const char* path, const char* mode) {
  if (mode[0] != 'r' && comes_to_fault(true)) return nullptr;
  return real(&fopen64, "fopen64")(path, mode);
}
ssize_t write(int file, const void* bytes, size_t count) {
  const auto write_it = real(&write, "write");
  if (is_armed && !has_faulted && operations_left == 0) (void)!write_it(file, bytes, count / 2);
  return comes_to_fault(true) ? -1 : write_it(file, bytes, count);
}
ssize_t writev(int file, const iovec* parts, int count) {
  return comes_to_fault(true) ? -1 : real(&writev, "writev")(file, parts, count);
}
int fsync(int file) { return comes_to_fault(true) ? -1 : real(&fsync, "fsync")(file); }
int rename(const char* from, const char* to) {
  return comes_to_fault(false) ? -1 : real(&rename, "rename")(from, to);
}
int unlink(const char* path) { return comes_to_fault(false) ? -1 : real(&unlink, "unlink")(path); }
int unlinkat(int folder, const char* path, int flags) {
  return comes_to_fault(false) ? -1 : real(&unlinkat, "unlinkat")(folder, path, flags);
}
int remove(const char* path) {
  return comes_to_fault(false) ? -1
                               : real(static_cast<int (*)(const char*)>(&remove), "remove")(path);
}
int rmdir(const char* path) { return comes_to_fault(false) ? -1 : real(&rmdir, "rmdir")(path); }
int mkdir(const char* path, mode_t mode) {
  return comes_to_fault(true) ? -1 : real(&mkdir, "mkdir")(path, mode);
}
int truncate64(const char* path, off64_t size) {
  return comes_to_fault(false) ? -1 : real(&truncate64, "truncate64")(path, size);
}
}

namespace unlazy::testing {

bool run_with_fault(Fault fault, int64_t k, const std::function<void()>& action) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    kind = fault;
    operations_left = k;
    is_armed = true;
    int code = kEnded;
    try {
      action();
    } catch (const std::exception& error) {
      code = kFailed;
      if (!has_faulted) std::fprintf(stderr, "without a fault: %s\n", error.what());
    }
    is_armed = false;
    ::_exit(has_faulted ? kFaulted : code);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << "the child crashed at operation " << k;
  EXPECT_NE(WEXITSTATUS(status), kFailed);
  return WIFEXITED(status) && WEXITSTATUS(status) == kFaulted;
}

}  // namespace unlazy::testing
