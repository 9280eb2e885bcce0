// The line that shows how far a command is: on terminals only, and never wider than they are.
#include "progress_line.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <functional>
#include <string>

namespace unlazy::tools {
namespace {

// A terminal of its own, which can stand in for standard error.
class Terminal {
 public:
  Terminal() : own_(::posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK)) {
    if (own_ < 0 || ::grantpt(own_) != 0 || ::unlockpt(own_) != 0) return;
    std::array<char, 256> path{};
    if (::ptsname_r(own_, path.data(), path.size()) == 0)
      programs_ = ::open(path.data(), O_RDWR | O_NOCTTY);
  }
  ~Terminal() {
    if (programs_ >= 0) ::close(programs_);
    if (own_ >= 0) ::close(own_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  bool is_there() const { return programs_ >= 0; }
  void set_columns(unsigned short columns) const {
    winsize size{};
    size.ws_row = 24;
    size.ws_col = columns;
    EXPECT_EQ(::ioctl(programs_, TIOCSWINSZ, &size), 0);
  }
  // What `action` writes to standard error while that is this terminal, called `name`.
  std::string written(const char* name, const std::function<void()>& action) const {
    const char* was_called = std::getenv("TERM");
    const std::string before = was_called == nullptr ? "" : was_called;
    const int standard_error = ::dup(STDERR_FILENO);
    ::setenv("TERM", name, 1);
    ::dup2(programs_, STDERR_FILENO);
    action();
    ::dup2(standard_error, STDERR_FILENO);
    ::close(standard_error);
    ::setenv("TERM", before.c_str(), 1);
    std::array<char, 4096> text{};
    const auto count = ::read(own_, text.data(), text.size());
    return {text.data(), count < 0 ? 0 : static_cast<size_t>(count)};
  }

 private:
  int own_, programs_ = -1;
};

constexpr const char* kToEmptyLine = "\r\033[K";

TEST(ProgressLine, IsCutToTheWidthThatTheTerminalHasNow) {
  const Terminal terminal;
  if (!terminal.is_there()) GTEST_SKIP() << "this system gives no terminal";
  terminal.set_columns(10);
  const auto text = terminal.written("xterm", [&] {
    const ProgressLine line;
    line.show("0123456789");
    terminal.set_columns(5);
    line.show("0123456789");
  });
  const std::string empty = kToEmptyLine;
  EXPECT_EQ(text, empty + "012345678" + empty + "0123" + empty);
}

TEST(ProgressLine, ATerminalWithoutEscapeCodesGetsNone) {
  const Terminal terminal;
  if (!terminal.is_there()) GTEST_SKIP() << "this system gives no terminal";
  for (const char* name : {"dumb", ""})
    EXPECT_EQ(terminal.written(name, [] { ProgressLine().show("1 of 2"); }), "") << name;
}

TEST(ProgressLine, AFileGetsNone) {
  ::testing::internal::CaptureStderr();
  ProgressLine().show("1 of 2");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(ProgressLine, CharactersAreCutWhole) {
  EXPECT_EQ(cut_to("abc", 4), "abc");
  EXPECT_EQ(cut_to("abcd", 4), "abc");
  EXPECT_EQ(cut_to("a\u00e4\u03c1x", 4), "a\u00e4\u03c1");
  EXPECT_EQ(cut_to("a\u00e4\u03c1x", 3), "a\u00e4");
  EXPECT_EQ(cut_to("abc", 0), "");
}

}  // namespace
}  // namespace unlazy::tools
