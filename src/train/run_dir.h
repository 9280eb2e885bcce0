// The folder of a run, or of a result made of several runs:
//   config.json            resolved options, and under "about" versions, device and "files". It is
//                          the first file to be written and the last to be removed.
//   metrics.csv            step,epoch,name,value: see recorder.h
//   log.txt                one line per epoch, with times
//   events.out.tfevents.*  the same curves for TensorBoard
//   checkpoints/STEP/      see checkpoint.h
//   DONE                   written last
// One process owns a run directory. Everything that the program writes into it is named in
// about.files of config.json, and only what is named there is ever removed.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/files.h"

namespace unlazy::train {

class RunDir {
 public:
  enum class Mode {
    kNew,        // the folder must not hold a run
    kOverwrite,  // an existing run is replaced
    kResume      // an existing run goes on; without one, a new run begins
  };
  /// Makes the folder and locks it. Nothing else is touched before begin(). Throws Error saying
  /// what to do when the folder is not as the mode requires, or when another process uses it.
  RunDir(std::string path, Mode mode);

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  /// The folder of the checkpoint at `step`, "checkpoints/00001234".
  std::string checkpoint(int64_t step) const { return checkpoint(path_, step); }
  /// Steps of the complete checkpoints, ascending.
  std::vector<int64_t> checkpoint_steps() const { return checkpoint_steps(path_); }
  /// The same for a run that is only read, without owning it.
  static std::string checkpoint(const std::string& path, int64_t step);
  static std::vector<int64_t> checkpoint_steps(const std::string& path);
  /// Is there a run in the folder? Is it finished?
  static bool holds_run(const std::string& path);
  /// Throws the misuse Error of kNew when there is a run.
  static void refuse_run(const std::string& path);
  static bool is_done(const std::string& path);

  /// Writes config.json before any other file. kOverwrite first removes what the old run had
  /// written and replaces its config.json last, in one rename. So a kill in the middle leaves part
  /// of the old run under its own name, never a mixture. Throws a misuse Error, and removes
  /// nothing, when files that this run would write exist without a config.json that says whose they
  /// are, or when the existing run belongs to another command. kResume removes DONE and keeps
  /// everything else. Temporary files of killed writers are removed.
  ///
  /// `config` must have about.files, a list of patterns relative to the folder: `*` stands for any
  /// characters, `#` for digits. A pattern that ends with "/" is a run in a folder of its own,
  /// which has its own config.json.
  void begin(const nlohmann::ordered_json& config);
  /// Removes DONE: the run is unfinished from now on.
  void go_on();
  void mark_done() const;

 private:
  std::string path_;
  Mode mode_;
  std::unique_ptr<FolderLock> lock_;
};

}  // namespace unlazy::train
