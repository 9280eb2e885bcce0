#include "train/run_files.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.h"
#include "core/files.h"
#include "core/options.h"

namespace unlazy::train {
namespace {

namespace fs = std::filesystem;

// Does `name` fit? `*` is any number of characters, `#` one or more digits.
bool fits(std::string_view name, std::string_view pattern) {
  if (pattern.empty()) return name.empty();
  if (pattern[0] == '*') {
    for (size_t i = 0; i <= name.size(); ++i) {
      if (fits(name.substr(i), pattern.substr(1))) return true;
    }
    return false;
  }
  if (pattern[0] == '#') {
    for (size_t i = 0; i < name.size() && name[i] >= '0' && name[i] <= '9'; ++i) {
      if (fits(name.substr(i + 1), pattern.substr(1))) return true;
    }
    return false;
  }
  return !name.empty() && name[0] == pattern[0] && fits(name.substr(1), pattern.substr(1));
}

std::vector<std::string> parts_of(const std::string& pattern) {
  std::vector<std::string> parts;
  std::istringstream in(pattern);
  for (std::string part; std::getline(in, part, '/');) {
    UNLAZY_CHECK(!part.empty() && part != "." && part != "..", "run: '", pattern,
                 "' in config.json is no pattern of files in the run's folder; remove the folder "
                 "yourself, or choose another --out");
    parts.push_back(part);
  }
  return parts;
}

void find(const fs::path& folder, const std::vector<std::string>& parts, size_t i, bool is_run,
          std::vector<RunFile>& found) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (!fits(entry.path().filename().string(), parts[i])) continue;
    const bool is_folder = entry.is_directory();
    if (i + 1 < parts.size()) {
      if (is_folder) find(entry.path(), parts, i + 1, is_run, found);
    } else if (is_run ? is_folder && fs::exists(entry.path() / "config.json") : !is_folder) {
      found.push_back({entry.path().string(), is_run});
    }
  }
}

void remove_one(const fs::path& path) {
  std::error_code error;
  fs::remove(path, error);
  UNLAZY_CHECK(!error, path.string(), ": cannot be removed: ", error.message(),
               "; remove it yourself, or choose another --out");
}

// The folder and those above it up to `root`, as far as they are empty.
void remove_empty(fs::path folder, const fs::path& root) {
  std::error_code error;
  for (; folder != root && !fs::is_symlink(folder) && fs::is_empty(folder, error) && !error;
       folder = folder.parent_path())
    remove_one(folder);
  if (fs::is_directory(folder)) sync_folder(folder.string());
}

void remove_whole_run(const std::string& folder) {
  const auto files = files_of(read_json_file(folder + "/config.json"));
  UNLAZY_CHECK(!files.empty(), folder,
               ": its config.json does not say which files are its own; "
               "remove it yourself, or choose another --out");
  {
    const FolderLock lock(folder);
    remove_temporaries(folder);
    remove_run_files(folder, files);
    remove_one(folder + "/config.json");
  }
  remove_one(folder + "/.lock");
}

}  // namespace

std::vector<std::string> training_files() {
  std::vector<std::string> files = {"DONE", "metrics.csv", "log.txt",
                                    "events.out.tfevents.*.unlazy", "linearised.safetensors"};
  for (const char* folder : {"checkpoints/#/", "checkpoints/#.writing/", "checkpoints/#.old/"}) {
    for (const char* name : {"model.safetensors", "state.safetensors", "meta.json"}) {
      files.push_back(folder + std::string(name));
      files.push_back(folder + std::string(name) + ".tmp#");
    }
  }
  files.push_back("measure-#.json");
  for (const char* name : {"figures/plane-*", "figures/line-*"}) {
    for (const char* end : {".json", ".csv", ".gp", ".svg", ".png"})
      files.push_back(name + std::string(end));
  }
  files.push_back("prune-*/");
  return files;
}

std::vector<std::string> files_of(const nlohmann::ordered_json& config) {
  const auto about = config.value("about", nlohmann::ordered_json::object());
  if (about.contains("files")) return about.at("files");
  const auto command = config.value("command", "");
  return command == "train" || command == "compare" ? training_files() : std::vector<std::string>();
}

std::vector<RunFile> run_files(const std::string& folder,
                               const std::vector<std::string>& patterns) {
  std::vector<RunFile> found;
  for (const auto& pattern : patterns)
    find(folder, parts_of(pattern), 0, pattern.ends_with('/'), found);
  // DONE first: what is being removed is no finished run. Without it the order does not matter.
  std::stable_partition(found.begin(), found.end(),
                        [](const RunFile& file) { return file.path.ends_with("/DONE"); });
  return found;
}

void remove_run_files(const std::string& folder, const std::vector<std::string>& patterns) {
  for (const auto& file : run_files(folder, patterns)) {
    if (!fs::exists(fs::symlink_status(file.path))) continue;  // two patterns fit
    file.is_run ? remove_whole_run(file.path) : remove_one(file.path);
    if (file.path.ends_with("/DONE")) sync_folder(folder);
    const fs::path at(file.path);
    remove_empty(file.is_run ? at : at.parent_path(), folder);
  }
  sync_folder(folder);
}

}  // namespace unlazy::train
