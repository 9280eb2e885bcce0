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
  constexpr auto kMostStars = 3;  // more would take long to match
  std::vector<std::string> parts;
  std::istringstream in(pattern);
  for (std::string part; std::getline(in, part, '/');) parts.push_back(part);
  const bool is_inside = std::all_of(parts.begin(), parts.end(), [](const std::string& part) {
    return !part.empty() && part != "." && part != "..";
  });
  UNLAZY_CHECK(
      is_inside && !parts.empty() && std::count(pattern.begin(), pattern.end(), '*') <= kMostStars,
      "run: '", pattern,
      "' in config.json is no pattern of files in the run's folder; remove the folder "
      "yourself, or choose another --out");
  return parts;
}

void find(const fs::path& folder, const std::vector<std::string>& parts, size_t i, bool is_run,
          std::vector<RunFile>& found) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const auto name = entry.path().filename().string();
    if (!fits(name, parts[i]) || name == "config.json" || name == ".lock") continue;
    const bool is_folder =
        entry.is_directory(error) && (!entry.is_symlink(error) || name == "checkpoints");
    if (i + 1 < parts.size()) {
      if (is_folder) find(entry.path(), parts, i + 1, is_run, found);
    } else if (is_run ? is_folder && fs::exists(entry.path() / "config.json")
                      : !entry.is_directory(error)) {
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

// The patterns of a run in a folder of its own.
std::vector<std::string> owned_by(const std::string& folder) {
  const auto files = files_of(read_json_file(folder + "/config.json"));
  UNLAZY_CHECK(!files.empty(), folder,
               ": its config.json does not say which files are its own; remove it yourself, or "
               "choose another --out");
  return files;
}

// Throws when a run that is to be removed, or one in it, cannot be.
void check_removable(const std::string& folder) {
  const FolderLock lock(folder);
  for (const auto& file : run_files(folder, owned_by(folder))) {
    if (file.is_run) check_removable(file.path);
  }
}

void remove_whole_run(const std::string& folder) {
  {
    const FolderLock lock(folder);
    remove_run_files(folder, owned_by(folder));
    remove_one(folder + "/config.json");
  }
  remove_one(folder + "/.lock");
}

}  // namespace

std::vector<std::string> training_files() {
  // Checkpoints before curves: a run whose removal was cut off begins again and has all its rows.
  // meta.json first: a checkpoint that is being removed is none.
  std::vector<std::string> files = {"DONE"};
  for (const char* name : {"meta.json", "model.safetensors", "state.safetensors"}) {
    for (const char* kind : {"", ".writing", ".old", ".damaged"})
      files.push_back("checkpoints/#" + std::string(kind) + "/" + name);
  }
  files.insert(files.end(),
               {"metrics.csv", "log.txt", "events.out.tfevents.*.unlazy", "linearised.safetensors",
                "theta0.safetensors", "outputs/#.safetensors", "measure-#.json",
                "measure-#-*=*.json", "measure.csv"});
  for (const char* name : {"figures/plane-*", "figures/line-*"}) {
    for (const char* end : {".json", ".csv", ".gp", ".svg", ".pdf", ".png"})
      files.push_back(name + std::string(end));
  }
  files.push_back("prune-*/");
  return files;
}

std::vector<std::string> files_of(const nlohmann::ordered_json& config) {
  try {
    const auto about = config.value("about", nlohmann::ordered_json::object());
    if (about.contains("files")) return about.at("files");
    const auto command = config.value("command", "");
    return command == "train" || command == "compare" ? training_files()
                                                      : std::vector<std::string>();
  } catch (const nlohmann::json::exception& error) {
    throw Error(
        internal::concat("config.json: \"command\" must be a string and about.files a list "
                         "of strings (",
                         error.what(), ")"));
  }
}

std::vector<std::string> left_over_files(const std::string& folder,
                                         const std::vector<std::string>& patterns) {
  std::vector<std::string> list;
  std::vector<RunFile> found;
  for (const auto& pattern : patterns) {
    if (!pattern.ends_with('/')) find(folder, parts_of(pattern + ".tmp#"), 0, false, found);
  }
  for (const auto& file : found) {
    if (is_left_over(file.path)) list.push_back(file.path);
  }
  return list;
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
  const auto files = run_files(folder, patterns);
  for (const auto& file : files) {
    if (file.is_run) check_removable(file.path);
  }
  for (const auto& path : left_over_files(folder, patterns)) remove_one(path);
  for (const auto& file : files) {
    if (!fs::exists(fs::symlink_status(file.path))) continue;  // two patterns fit
    file.is_run ? remove_whole_run(file.path) : remove_one(file.path);
    if (file.path.ends_with("/DONE")) sync_folder(folder);
    const fs::path at(file.path);
    remove_empty(file.is_run ? at : at.parent_path(), folder);
  }
  sync_folder(folder);
}

}  // namespace unlazy::train
