// Runs gnuplot on figures that were written: one process per figure, as many at once as there are
// cores.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string_view>
#include <thread>

#include "core/error.h"
#include "core/files.h"
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

constexpr std::array kPictures = {".svg", ".pdf", ".png"};

// Behind the names of pictures that are being drawn, as write_file() has it, so that leftovers are
// known as such.
std::string unfinished() { return ".tmp" + std::to_string(::getpid()); }

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
  const std::string script = name + ".gp", ending = "ending = '" + unfinished() + "'";
  const pid_t process = ::fork();
  if (process == 0) {  // only async-signal-safe calls from here to exec
    if (::chdir(folder.c_str()) != 0) ::_exit(126);
    ::dup2(ends[1], STDOUT_FILENO);
    ::dup2(ends[1], STDERR_FILENO);
    // -d: without the user's own settings of gnuplot
    ::execl(gnuplot.c_str(), "gnuplot", "-d", "-e", ending.c_str(), script.c_str(),
            static_cast<char*>(nullptr));
    ::_exit(127);
  }
  ::close(ends[1]);
  UNLAZY_CHECK(process > 0, "figure: cannot start gnuplot");
  return {name, process, ends[0]};
}

// Waits for the end; the messages when it failed, else nothing.
std::string wait_for(const Drawing& drawing) {
  std::string text;
  char bytes[4096];
  for (ssize_t count = 1; count != 0;) {
    count = ::read(drawing.messages, bytes, sizeof bytes);
    if (count < 0 && errno != EINTR) break;
    if (count > 0) text.append(bytes, static_cast<size_t>(count));
  }
  ::close(drawing.messages);
  int status = 0;
  while (::waitpid(drawing.process, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return "";
  return drawing.name + ".gp: " + (text.empty() ? "gnuplot failed without a message" : text);
}

// gnuplot does not say when it cannot write: a picture on a full disk lacks its end.
bool is_whole_picture(const std::string& path, std::string_view kind) {
  if (!fs::exists(path)) return false;
  auto bytes = read_file(path);
  while (!bytes.empty() && bytes.back() == '\n' && kind != ".png") bytes.pop_back();
  return bytes.ends_with(kind == ".svg"   ? "</svg>"
                         : kind == ".pdf" ? "%%EOF"
                                          : "IEND\xae\x42\x60\x82");
}

// Gives the pictures their names, all or none. What went wrong, else nothing.
std::string keep_pictures(const std::string& folder, const Drawing& drawing) {
  auto failure = wait_for(drawing);
  const std::string stem = folder + "/" + drawing.name;
  try {
    for (const std::string kind : kPictures) {
      const auto path = stem + kind + unfinished();
      if (!failure.empty()) break;
      if (!is_whole_picture(path, kind))
        failure = drawing.name + kind + ": the picture is not whole; is the disk full? Free some " +
                  "space and run gnuplot " + drawing.name + ".gp there\n";
      else
        sync_file(path);
    }
    if (failure.empty()) {
      for (const char* kind : kPictures) fs::rename(stem + kind + unfinished(), stem + kind);
      sync_folder(folder);
      return "";
    }
  } catch (const std::exception& error) {
    failure = drawing.name + ": " + error.what() + "\n";
  }
  std::error_code ignored;
  for (const char* kind : kPictures) {  // an older picture is not of these data
    fs::remove(stem + kind + unfinished(), ignored);
    fs::remove(stem + kind, ignored);
  }
  return failure;
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
    failures += keep_pictures(folder, running.front());
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
