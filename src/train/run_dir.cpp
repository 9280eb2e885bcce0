#include "train/run_dir.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/options.h"
#include "train/run_files.h"

namespace unlazy::train {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

}  // namespace

RunDir::RunDir(std::string path, Mode mode) : path_(std::move(path)), mode_(mode) {
  UNLAZY_CHECK_USAGE(!path_.empty(), "run: --out must name a folder");
  if (mode == Mode::kNew) refuse_run(path_);
  make_folder(path_);
  lock_ = std::make_unique<FolderLock>(path_);
}

std::string RunDir::checkpoint(const std::string& path, int64_t step) {
  char name[32];
  std::snprintf(name, sizeof name, "%08lld", static_cast<long long>(step));
  return path + "/checkpoints/" + name;
}

std::vector<int64_t> RunDir::checkpoint_steps(const std::string& path) {
  constexpr size_t kMostDigits = 18;  // that an int64_t holds
  std::vector<int64_t> steps;
  const std::string folder = path + "/checkpoints";
  if (!fs::exists(fs::symlink_status(folder))) return steps;
  std::error_code error;
  const fs::directory_iterator entries(folder, error);
  // "Cannot be read" must not pass for "there are none": the run would begin again.
  UNLAZY_CHECK(!error, folder, ": cannot be read: ", error.message(),
               "; is it a link to a disk that is not there?");
  for (const auto& entry : entries) {
    const auto name = entry.path().filename().string();
    // A folder that is being written has another name. What else lies there is not ours.
    if (name.find_first_not_of("0123456789") != std::string::npos || name.size() > kMostDigits)
      continue;
    const int64_t step = std::stoll(name);
    if (entry.path() == checkpoint(path, step) && fs::exists(entry.path() / "meta.json"))
      steps.push_back(step);
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

void RunDir::refuse_run(const std::string& path) {
  UNLAZY_CHECK_USAGE(!holds_run(path), path,
                     ": already holds a run; continue it with --resume, replace it with "
                     "--overwrite, or choose another --out");
}

bool RunDir::holds_run(const std::string& path) { return fs::exists(path + "/config.json"); }

bool RunDir::is_done(const std::string& path) {
  return holds_run(path) && fs::exists(path + "/DONE");
}

void RunDir::begin(const Json& config) {
  const auto files = files_of(config);
  if (!holds_run(path_)) {
    const auto found = run_files(path_, files);
    // A series of version 0.1.0 had runs in folders of their own and no config.json: it is taken.
    const bool is_old_series = mode_ != Mode::kNew && std::any_of(found.begin(), found.end(),
                                                                  [](auto& f) { return f.is_run; });
    UNLAZY_CHECK_USAGE(
        found.empty() || is_old_series, found.front().path,
        ": is there, but no config.json that says whose it is: it may be yours, or of a run that "
        "was killed as it began; remove it, or choose another --out");
    if (is_old_series && mode_ == Mode::kOverwrite) remove_run_files(path_, files);
  } else if (mode_ == Mode::kOverwrite) {
    const Json before = read_json_file(file("config.json"));
    // Version 0.1.0 did not list its files: they are among those of a run of today.
    const auto listed = files_of(before);
    const auto command = before.value("command", ""), mine = config.value("command", "");
    UNLAZY_CHECK_USAGE(command == mine, path_, ": holds a run of unlazy ", command,
                       ", which unlazy ", mine,
                       " does not replace; choose another --out, or remove the folder yourself");
    remove_run_files(path_, listed.empty() ? files : listed);
  } else {
    UNLAZY_CHECK(mode_ == Mode::kResume, path_,
                 ": was begun by another process meanwhile; choose another --out");
    go_on();
  }
  std::error_code ignored;
  for (const auto& path : left_over_files(path_, files)) fs::remove(path, ignored);
  for (const auto& path : left_over_files(path_, {"config.json"})) fs::remove(path, ignored);
  write_file(file("config.json"), config.dump(2) + "\n");
}

void RunDir::go_on() {
  if (!is_done(path_)) return;
  fs::remove(file("DONE"));
  sync_folder(path_);
}

void RunDir::mark_done() const { write_file(file("DONE"), ""); }

}  // namespace unlazy::train
