// Files are whole or not there; one process owns a folder.
#include "core/files.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <functional>
#include <stdexcept>

#include "support/expect_error.h"
#include "support/scratch_folder.h"

namespace unlazy {
namespace {

using testing::expect_error;
using testing::ScratchFolder;

int num_files(const ScratchFolder& scratch) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(scratch.path()))
    count += entry.exists();
  return count;
}

// What `action` throws in a child process, "" when nothing.
std::string error_in_child(const std::function<void()>& action) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    std::string text;
    try {
      action();
    } catch (const std::exception& error) {
      text = error.what();
    }
    ::_exit(::write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0
                                                                                            : 1);
  }
  ::close(ends[1]);
  std::string text(4096, '\0');
  const ssize_t count = ::read(ends[0], text.data(), text.size());
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  text.resize(static_cast<size_t>(std::max<ssize_t>(0, count)));
  return text;
}

TEST(Files, WritesAndReadsBytes) {
  const ScratchFolder scratch;
  const std::string bytes("a\0b\n\xff", 5);
  write_file(scratch / "x", bytes);
  EXPECT_EQ(read_file(scratch / "x"), bytes);
  write_file(scratch / "x", [&](const ByteSink& sink) {
    for (int i = 0; i < 100000; ++i) sink("0123456789", 10);
  });
  EXPECT_EQ(read_file(scratch / "x").size(), 1000000u);
  EXPECT_EQ(read_file(scratch / "x").substr(999990), "0123456789");
  write_file(scratch / "x", "");
  EXPECT_EQ(read_file(scratch / "x"), "");
  EXPECT_EQ(num_files(scratch), 1);
}

TEST(Files, AnErrorWhileWritingLeavesTheOldFile) {
  const ScratchFolder scratch;
  write_file(scratch / "x", "old");
  EXPECT_THROW(write_file(scratch / "x",
                          [](const ByteSink& sink) {
                            sink("new", 3);
                            throw std::runtime_error("the producer failed");
                          }),
               std::runtime_error);
  EXPECT_EQ(read_file(scratch / "x"), "old");
  EXPECT_EQ(num_files(scratch), 1);
}

TEST(Files, TheFileIsNotThereBeforeItIsWhole) {
  const ScratchFolder scratch;
  write_file(scratch / "x", [&](const ByteSink& sink) {
    sink("new", 3);
    EXPECT_FALSE(std::filesystem::exists(scratch / "x"));
  });
  EXPECT_EQ(read_file(scratch / "x"), "new");
}

// The system refuses to let a file grow past a limit, as a full disk would.
TEST(Files, AFullDiskIsSaidAndLeavesTheOldFile) {
  const ScratchFolder scratch;
  const std::string path = scratch / "model.safetensors";
  write_file(path, "old");
  const std::string text = error_in_child([&] {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{.rlim_cur = 100000, .rlim_max = 100000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    write_file(path, std::string(200000, 'x'));
  });
  EXPECT_EQ(text,
            path + ": cannot be written: File too large; free some space or choose another folder");
  EXPECT_EQ(read_file(path), "old");
  EXPECT_EQ(num_files(scratch), 1);
}

TEST(Files, MissingPlacesAreNamed) {
  const ScratchFolder scratch;
  const std::string path = scratch / "no/x";
  expect_error([&] { write_file(path, "x"); },
               path +
                   ": cannot be written: No such file or directory; check that the folder exists "
                   "and may be written to");
  expect_error([&] { read_file(path); }, path + ": cannot be read: No such file or directory");
  expect_error([&] { read_file(scratch.path()); },
               scratch.path() + ": cannot be read: Is a directory");
  std::filesystem::create_directory(scratch / "folder");
  expect_error([&] { write_file(scratch / "folder", "x"); },
               scratch / "folder" +
                   ": cannot be written: Is a directory; check that the folder exists and may be "
                   "written to");
  EXPECT_EQ(num_files(scratch), 1);
}

TEST(CheckWritable, LeavesNothingBehind) {
  const ScratchFolder scratch;
  EXPECT_NO_THROW(check_writable(scratch.path()));
  EXPECT_NO_THROW(check_writable(scratch / "to/be/made"));
  EXPECT_EQ(num_files(scratch), 0);
}

TEST(CheckWritable, AFileOnTheWayIsNamed) {
  const ScratchFolder scratch;
  write_file(scratch / "x", "");
  for (const std::string& path : {scratch / "x", scratch / "x/y/z"}) {
    expect_error([&] { check_writable(path); },
                 path + ": cannot be made: " + scratch / "x" + " is a file; choose another folder");
  }
}

TEST(CheckWritable, AFolderWithoutThePermissionIsRefused) {
  constexpr uid_t kNobody = 65534;
  const ScratchFolder scratch;
  std::filesystem::permissions(scratch.path(), std::filesystem::perms(0555));
  for (const std::string& path : {scratch.path(), scratch / "to/be/made"}) {
    const auto text = error_in_child([&] {
      if (::geteuid() == 0 && ::seteuid(kNobody) != 0) throw std::runtime_error("seteuid");
      check_writable(path);
    });
    EXPECT_EQ(text, path +
                        ": cannot be written: Permission denied; check that the folder exists "
                        "and may be written to");
  }
  std::filesystem::permissions(scratch.path(), std::filesystem::perms(0755));
}

TEST(FolderLock, ASecondProcessIsRefused) {
  const ScratchFolder scratch;
  const std::string refusal =
      scratch.path() + ": is in use by another run; choose another --out or wait until it ends";
  {
    const FolderLock lock(scratch.path());
    EXPECT_EQ(error_in_child([&] { FolderLock second(scratch.path()); }), refusal);
    expect_error([&] { FolderLock second(scratch.path()); }, refusal);
  }
  EXPECT_EQ(error_in_child([&] { FolderLock next(scratch.path()); }), "");
}

TEST(FolderLock, DiesWithItsProcess) {
  const ScratchFolder scratch;
  error_in_child([&] { new FolderLock(scratch.path()); });  // never destroyed
  EXPECT_NO_THROW(FolderLock(scratch.path()));
}

TEST(FolderLock, NeedsTheFolder) {
  const ScratchFolder scratch;
  expect_error([&] { FolderLock(scratch / "no"); },
               scratch / "no/.lock" +
                   ": cannot be written: No such file or directory; check that the folder exists "
                   "and may be written to");
}

}  // namespace
}  // namespace unlazy
