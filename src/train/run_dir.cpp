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
  UNLAZY_CHECK_USAGE(mode != Mode::kNew || !holds_run(path_), path_,
                     ": already holds a run; continue it with --resume, replace it with "
                     "--overwrite, or choose another --out");
  make_folder(path_);
  lock_ = std::make_unique<FolderLock>(path_);
  remove_temporaries(path_);
}

std::string RunDir::checkpoint(const std::string& path, int64_t step) {
  char name[32];
  std::snprintf(name, sizeof name, "%08lld", static_cast<long long>(step));
  return path + "/checkpoints/" + name;
}

std::vector<int64_t> RunDir::checkpoint_steps(const std::string& path) {
  constexpr size_t kMostDigits = 18;  // that an int64_t holds
  std::vector<int64_t> steps;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path + "/checkpoints", error)) {
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

bool RunDir::holds_run(const std::string& path) { return fs::exists(path + "/config.json"); }

bool RunDir::is_done(const std::string& path) {
  return holds_run(path) && fs::exists(path + "/DONE");
}

void RunDir::begin(const Json& config, bool is_going_on) {
  const auto files = files_of(config);
  if (!holds_run(path_)) {
    // Runs in folders of their own may be there: a series of 0.1.0 had no config.json.
    for (const auto& found : run_files(path_, files)) {
      if (found.is_run && mode_ != Mode::kNew) continue;
      throw Error(found.path +
                      ": is there, but no config.json that says whose it is: it may be yours, or "
                      "of a run that was killed as it began; remove it, or choose another --out",
                  Error::Kind::kMisuse);
    }
  } else if (mode_ == Mode::kOverwrite) {
    const Json before = read_json_file(file("config.json"));
    const auto command = before.value("command", ""), mine = config.value("command", "");
    UNLAZY_CHECK_USAGE(command == mine, path_, ": holds a run of unlazy ", command,
                       ", which unlazy ", mine,
                       " does not replace; choose another --out, or remove the folder yourself");
    // Version 0.1.0 did not list its files: they are among those of a run of today.
    const auto owned = files_of(before);
    remove_run_files(path_, owned.empty() ? files : owned);
  } else if (is_going_on && is_done(path_)) {
    fs::remove(file("DONE"));
    sync_folder(path_);
  }
  write_file(file("config.json"), config.dump(2) + "\n");
}

void RunDir::clear() { remove_run_files(path_, files_of(read_json_file(file("config.json")))); }

void RunDir::mark_done() const { write_file(file("DONE"), ""); }

}  // namespace unlazy::train
