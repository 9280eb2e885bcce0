// unlazy watch: curves of runs in the terminal, while they grow.
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <iostream>

#include "command.h"
#include "core/error.h"
#include "experiments/runs/watched_runs.h"
#include "interrupt.h"

namespace unlazy::tools {
namespace {

// Only so that a new size of the window ends the wait.
extern "C" void on_new_size(int) {}

// A screen of its own, as editors have; what was there comes back when it is left.
class Screen {
 public:
  Screen() {
    struct sigaction action {};
    action.sa_handler = on_new_size;
    ::sigaction(SIGWINCH, &action, nullptr);
    std::cout << "\033[?1049h\033[?25l" << std::flush;
  }
  ~Screen() {
    std::cout << "\033[?25h\033[?1049l" << std::flush;
    std::signal(SIGWINCH, SIG_DFL);
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  // Over the old frame, line by line, so that nothing flickers. A line is cleared before it is
  // written: behind its last column the terminal would clear that column.
  static void show(std::string frame) {
    if (frame.ends_with('\n')) frame.pop_back();  // the last line would scroll
    std::string text = "\033[H\033[K";
    for (const char c : frame) text += c == '\n' ? "\n\033[K" : std::string(1, c);
    std::cout << text << "\033[J" << std::flush;
  }
};

size_t number_in(const char* name, size_t usual) {
  const char* text = std::getenv(name);
  const long value = text == nullptr ? 0 : std::strtol(text, nullptr, 10);
  return value > 0 ? static_cast<size_t>(value) : usual;
}

experiments::FrameSize frame_size(bool has_terminal) {
  experiments::FrameSize size{number_in("COLUMNS", 80), number_in("LINES", 24), false};
  winsize window{};
  if (has_terminal && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0) {
    size.width = window.ws_col;
    size.height = window.ws_row;
  }
  size.has_colors = has_terminal && std::getenv("NO_COLOR") == nullptr;
  return size;
}

class Watch : public Command {
 public:
  Options& options() override { return options_; }
  bool runs_networks() const override { return false; }
  std::string usage() const override { return "RUN [RUN ...] [options]"; }
  std::string description() const override {
    return "Shows the curves of runs in the terminal while they grow. A folder of runs, such as a "
           "sweep, stands for all\n"
           "runs in it, also for those that begin later; runs that differ only in the seed are one "
           "line, their mean.\n"
           "It only reads, so Ctrl-C ends the watching and no run.\n\n"
           "  unlazy watch runs/tau0.1\n"
           "  unlazy watch runs/sweep --curves test_accuracy,train_loss,test_loss\n"
           "  unlazy watch runs/sweep --once   one picture as plain text, for a log";
  }

  int run(const std::vector<std::string>& words) override {
    UNLAZY_CHECK_USAGE(!words.empty(), "watch: name at least one run, such as runs/tau0.1");
    experiments::WatchedRuns runs(words, watch_);
    const bool has_terminal = ::isatty(STDOUT_FILENO) == 1;
    if (is_once_ || !has_terminal) {
      UNLAZY_CHECK_USAGE(is_once_,
                         "watch: the output is no terminal; give --once for one picture as text");
      runs.refresh();
      std::cout << runs.frame(frame_size(has_terminal));
      return 0;
    }
    const Interrupt interrupt;
    const Screen screen;
    while (interrupt.signal() == 0) {
      runs.refresh();
      Screen::show(runs.frame(frame_size(true)));
      wait();
    }
    return 128 + interrupt.signal();
  }

 private:
  // A signal ends it.
  void wait() const {
    double whole = 0;
    const double part = std::modf(every_, &whole);
    const timespec time{static_cast<time_t>(whole), static_cast<long>(part * 1e9)};
    ::nanosleep(&time, nullptr);
  }

  experiments::WatchOptions watch_;
  double every_ = 2;
  bool is_once_ = false;
  Options options_{
      "watch",
      {OptionTable(
          "Watch",
          {{.name = "curves",
            .target = &watch_.curves,
            .help = "Curves to show, one chart each; empty: test_accuracy and train_loss, as far "
                    "as the runs have them."},
           {.name = "log-y", .target = &watch_.log_y, .help = "Logarithmic y axes."},
           {.name = "every",
            .target = &every_,
            .range = Range::closed(0.1, 3600),
            .unit = "seconds",
            .help = "How often to look."},
           {.name = "once",
            .target = &is_once_,
            .help = "Print one picture and end; as plain text where the output is no terminal. "
                    "COLUMNS and LINES give its size there."}})}};
};

}  // namespace

std::unique_ptr<Command> make_watch() { return std::make_unique<Watch>(); }

}  // namespace unlazy::tools
