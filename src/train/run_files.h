// The files that a run has written, found by the patterns of its config.json (run_dir.h).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace unlazy::train {

/// The files of a run of the training loop, including those that `unlazy measure`, `landscape` and
/// `prune` add.
std::vector<std::string> training_files();

/// The list in about.files of a config.json. Version 0.1.0 did not write one; for it, the list is
/// training_files() for runs of training, and empty for other commands.
std::vector<std::string> files_of(const nlohmann::ordered_json& config);

/// A file or folder that matches a pattern.
struct RunFile {
  std::string path;
  bool is_run = false;  // a folder with a run of its own
};

/// The files in `folder` that match `patterns`, DONE first, without config.json. Links to folders
/// are not followed, except `checkpoints`, which may be on another disk. Throws Error for a pattern
/// that could leave the folder.
std::vector<RunFile> run_files(const std::string& folder, const std::vector<std::string>& patterns);

/// Temporary versions of those files, left behind by killed writers.
std::vector<std::string> left_over_files(const std::string& folder,
                                         const std::vector<std::string>& patterns);

/// Removes the files that match, DONE first, then the folders that are empty, and flushes. Runs in
/// folders of their own are removed as their config.json says. Files that match no pattern and
/// config.json of `folder` itself stay. Throws Error before anything is removed when a run there is
/// in use or does not say which files are its own, and later when something cannot be removed.
void remove_run_files(const std::string& folder, const std::vector<std::string>& patterns);

}  // namespace unlazy::train
