#include "sweep/state.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string_view>

#include "core/error.h"
#include "core/files.h"

namespace unlazy::sweep {
namespace {

namespace fs = std::filesystem;

// The last bytes of a file, from the beginning of a line on. Empty where there is no file.
std::string tail_of(const std::string& path, int64_t most) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  const int64_t size = ::lseek(file, 0, SEEK_END);
  const int64_t begin = std::max<int64_t>(0, size - most);
  std::string text(static_cast<size_t>(std::max<int64_t>(0, size - begin)), '\0');
  const ssize_t count = ::pread(file, text.data(), text.size(), begin);
  ::close(file);
  text.resize(static_cast<size_t>(std::max<ssize_t>(0, count)));
  if (begin > 0) text.erase(0, text.find('\n') + 1);
  return text;
}

// The step in the last whole row of metrics.csv.
int64_t last_step_in(const std::string& metrics) {
  auto text = tail_of(metrics, 4096);
  text.erase(text.rfind('\n') + 1);  // npos + 1 is 0
  if (!text.empty()) text.pop_back();
  const auto row = std::string_view(text).substr(text.rfind('\n') + 1);
  int64_t step = 0;
  std::from_chars(row.data(), row.data() + row.size(), step);
  return step;
}

void add_run(const fs::path& run, Progress& progress) {
  try {
    const auto config = nlohmann::json::parse(read_file((run / "config.json").string()));
    const int64_t end = config.at("about").at("steps");
    progress.end += end;
    progress.step += is_done(run.string()) ? end : last_step_in((run / "metrics.csv").string());
  } catch (const Error&) {
  } catch (const nlohmann::json::exception&) {  // a result of another kind, without steps
  }
}

}  // namespace

bool is_done(const std::string& run) {
  DIR* folder = ::opendir(run.c_str());
  if (folder == nullptr) return false;
  bool is_there = false;
  while (const dirent* entry = ::readdir(folder))
    is_there = is_there || std::string_view(entry->d_name) == "DONE";
  ::closedir(folder);
  return is_there;
}

std::optional<Failure> failure_of(const SweepFolder& folder, const std::string& point) {
  if (!fs::exists(folder.failure(point))) return {};
  Failure failure;
  try {
    failure.text = read_file(folder.failure(point));
    const auto json = nlohmann::json::parse(failure.text);
    failure.reason = json.at("reason");
    failure.code = json.at("code");
    failure.host = json.at("host");
  } catch (const Error&) {
    return {};  // removed meanwhile
  } catch (const nlohmann::json::exception&) {
    failure.reason = "for an unknown reason";
  }
  return failure;
}

void write_failure(const SweepFolder& folder, const std::string& point, const Failure& failure) {
  const nlohmann::ordered_json json = {{"reason", failure.reason},
                                       {"code", failure.code},
                                       {"host", failure.host},
                                       {"time", failure.text}};
  constexpr auto kReplace = nlohmann::ordered_json::error_handler_t::replace;  // logs hold anything
  write_file(folder.failure(point), json.dump(2, ' ', false, kReplace) + "\n");
}

void remove_failure(const SweepFolder& folder, const std::string& point) {
  std::error_code ignored;
  fs::remove(folder.failure(point), ignored);
}

std::string last_line(const std::string& log) {
  constexpr std::string_view kName = "unlazy: ";
  std::istringstream in(tail_of(log, 8192));
  std::string last;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(kLogBegin)) last.clear();  // what stood there was of an earlier try
    if (line.find_first_not_of(" \t\r") != std::string::npos && !line.starts_with(kLogMark))
      last = line;
  }
  return last.starts_with(kName) ? last.substr(kName.size()) : last;
}

Progress progress_of(const std::string& run) {
  Progress progress;
  add_run(run, progress);
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(run, error)) {
    if (fs::exists(entry.path() / "config.json", error)) add_run(entry.path(), progress);
  }
  return progress;
}

double bytes_in(const std::string& folder) {
  double bytes = 0;
  std::error_code error;
  for (auto entry = fs::recursive_directory_iterator(folder, error);
       !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    std::error_code gone;
    const auto size = entry->is_regular_file(gone) ? entry->file_size(gone) : 0;
    if (!gone) bytes += static_cast<double>(size);
  }
  return bytes;
}

}  // namespace unlazy::sweep
