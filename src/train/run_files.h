// The files that a run has written, found by the patterns of its config.json (run_dir.h).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace unlazy::train {

/// The files of a run of the training loop, with what `unlazy measure`, `landscape` and `prune` put
/// beside them.
std::vector<std::string> training_files();

/// The list in about.files of a config.json. Version 0.1.0 did not write one: then those of
/// training, for its runs, and none for other commands.
std::vector<std::string> files_of(const nlohmann::ordered_json& config);

/// One place that fits a pattern.
struct RunFile {
  std::string path;
  bool is_run = false;  // a folder with a run of its own
};

/// What is there in `folder` of `patterns`, DONE first; not config.json. Links to folders are not
/// followed, but for `checkpoints`, which may lie on another disk. Throws Error for a pattern that
/// could leave the folder.
std::vector<RunFile> run_files(const std::string& folder, const std::vector<std::string>& patterns);

/// Temporaries of those files that killed writers left behind.
std::vector<std::string> left_over_files(const std::string& folder,
                                         const std::vector<std::string>& patterns);

/// Removes what fits, DONE first, runs in folders of their own by what their config.json says, and
/// then the folders that are empty, and flushes. A file that fits no pattern stays, and config.json
/// of `folder` itself. Throws Error when a run there is in use or does not say what is its own,
/// before anything is removed, and when something cannot be removed.
void remove_run_files(const std::string& folder, const std::vector<std::string>& patterns);

}  // namespace unlazy::train
