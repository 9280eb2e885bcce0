// Runs gnuplot on figures that were written: one process per figure, as many at once as there are
// cores.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <thread>

#include "core/error.h"
#include "report/figure.h"

namespace unlazy::report {
namespace {

namespace fs = std::filesystem;

std::string find_in_path(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string candidate = (folder.empty() ? "." : folder) + "/" + program;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return "";
}

// A gnuplot at work: its process and where its messages come from.
struct Drawing {
  std::string name;
  pid_t process = -1;
  int messages = -1;
};

Drawing start_drawing(const std::string& gnuplot, const std::string& folder,
                      const std::string& name) {
  int ends[2];
  UNLAZY_CHECK(::pipe2(ends, O_CLOEXEC) == 0, "figure: cannot make a pipe for gnuplot");
  const std::string script = name + ".gp";
  const pid_t process = ::fork();
  if (process == 0) {  // only async-signal-safe calls from here to exec
    if (::chdir(folder.c_str()) != 0) ::_exit(126);
    ::dup2(ends[1], STDOUT_FILENO);
    ::dup2(ends[1], STDERR_FILENO);
    ::execl(gnuplot.c_str(), "gnuplot", script.c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }
  ::close(ends[1]);
  UNLAZY_CHECK(process > 0, "figure: cannot start gnuplot");
  return {name, process, ends[0]};
}

// Waits for the end; the messages when it failed, else nothing.
std::string finish_drawing(const Drawing& drawing) {
  std::string text;
  char bytes[4096];
  for (ssize_t count; (count = ::read(drawing.messages, bytes, sizeof bytes)) > 0;)
    text.append(bytes, static_cast<size_t>(count));
  ::close(drawing.messages);
  int status = 0;
  ::waitpid(drawing.process, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return "";
  return drawing.name + ".gp: " + (text.empty() ? "gnuplot failed without a message" : text);
}

}  // namespace

bool has_gnuplot() { return !find_in_path("gnuplot").empty(); }

void draw_figures(const std::string& folder, const std::vector<std::string>& names) {
  const std::string gnuplot = find_in_path("gnuplot");
  UNLAZY_CHECK(
      !gnuplot.empty(), "figure: gnuplot is not installed; the data and scripts are in ", folder,
      ": install gnuplot (Debian: apt install gnuplot-nox) and run it on the .gp files there");
  const size_t at_once = std::max(1u, std::thread::hardware_concurrency());
  std::vector<Drawing> running;
  std::string failures;
  const auto finish_first = [&] {
    const std::string failure = finish_drawing(running.front());
    if (!failure.empty()) {
      for (const char* end : {".svg", ".png"})
        fs::remove(folder + "/" + running.front().name + end);
      failures += failure;
    }
    running.erase(running.begin());
  };
  for (const auto& name : names) {
    if (running.size() >= at_once) finish_first();
    running.push_back(start_drawing(gnuplot, folder, name));
  }
  while (!running.empty()) finish_first();
  UNLAZY_CHECK(failures.empty(), "figure: gnuplot could not draw ", folder, "/", failures);
}

}  // namespace unlazy::report
