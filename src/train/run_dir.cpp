#include "train/run_dir.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace unlazy::train {
namespace {

namespace fs = std::filesystem;

void remove_run(const fs::path& folder) {
  for (const char* name :
       {"config.json", "metrics.csv", "log.txt", "checkpoints", "figures", "DONE"}) {
    fs::remove_all(folder / name);
  }
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename().string().find("tfevents") != std::string::npos)
      fs::remove(entry.path());
  }
}

}  // namespace

RunDir::RunDir(std::string path, Mode mode) : path_(std::move(path)) {
  UNLAZY_CHECK_USAGE(!path_.empty(), "run: --out must name a folder");
  const bool has_run = fs::exists(file("config.json"));
  UNLAZY_CHECK_USAGE(mode != Mode::kNew || !has_run, path_,
                     ": already holds a run; continue it with --resume, replace it with "
                     "--overwrite, or choose another --out");
  UNLAZY_CHECK_USAGE(mode != Mode::kResume || has_run, path_,
                     ": holds no run to resume (no config.json); leave out --resume to start one");
  std::error_code error;
  fs::create_directories(path_, error);
  UNLAZY_CHECK(!error, path_, ": cannot be made: ", error.message(), "; choose another --out");
  lock_ = std::make_unique<FolderLock>(path_);
  if (mode == Mode::kOverwrite) remove_run(path_);
}

std::string RunDir::checkpoint(const std::string& path, int64_t step) {
  char name[32];
  std::snprintf(name, sizeof name, "%08lld", static_cast<long long>(step));
  return path + "/checkpoints/" + name;
}

std::vector<int64_t> RunDir::checkpoint_steps(const std::string& path) {
  const auto folder = path + "/checkpoints";
  std::vector<int64_t> steps;
  if (!fs::exists(folder)) return steps;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const auto name = entry.path().filename().string();
    // A folder that is being written has another name, so every folder of digits is complete.
    if (name.find_first_not_of("0123456789") == std::string::npos)
      steps.push_back(std::stoll(name));
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

void RunDir::write_config(const nlohmann::ordered_json& config) const {
  write_file(file("config.json"), config.dump(2) + "\n");
}

void RunDir::mark_done() const { write_file(file("DONE"), ""); }

bool RunDir::is_done() const { return fs::exists(file("DONE")); }

}  // namespace unlazy::train
