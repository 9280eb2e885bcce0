// The folder of a run, or of a result made of several runs:
//   config.json            resolved options, and under "about" versions, device and "files": the
//                          first file that is written and the last that is removed
//   metrics.csv            step,epoch,name,value: appended and flushed row by row
//   log.txt                one line an epoch, with times
//   events.out.tfevents.*  the same curves for TensorBoard
//   checkpoints/STEP/      see checkpoint.h
//   DONE                   written last
// One process owns a run directory. Whatever the program writes into it is named in config.json's
// about.files, and only what is named there is ever removed.
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
    kOverwrite,  // a run that is there is replaced
    kResume      // a run that is there goes on; where there is none, one begins
  };
  /// Makes the folder and holds it. Nothing else is touched before begin(). Throws Error saying
  /// what to do when the folder is not as the mode wants it, or when another process uses it.
  RunDir(std::string path, Mode mode);

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  /// The folder of the checkpoint at `step`, "checkpoints/00001234".
  std::string checkpoint(int64_t step) const { return checkpoint(path_, step); }
  /// Steps of the complete checkpoints, ascending.
  std::vector<int64_t> checkpoint_steps() const { return checkpoint_steps(path_); }
  /// The same of a run that is only read, without owning it.
  static std::string checkpoint(const std::string& path, int64_t step);
  static std::vector<int64_t> checkpoint_steps(const std::string& path);
  /// Is there a run in the folder? Is it finished?
  static bool holds_run(const std::string& path);
  /// Throws the misuse Error of kNew when there is one.
  static void refuse_run(const std::string& path);
  static bool is_done(const std::string& path);

  /// Writes config.json, before any other file. kOverwrite removes what the run that was there had
  /// written first; its config.json is replaced last, in one go, so that a kill on the way leaves a
  /// part of the old run under its own name and never a mixture. Throws a misuse Error when files
  /// that this run would write are there and no config.json says whose they are, and when the run
  /// that is there is of another command; then nothing is removed. kResume takes DONE away and
  /// keeps everything else. Temporaries of killed writers are cleaned.
  ///
  /// `config`: with about.files, patterns relative to the folder: `*` stands for any characters,
  /// `#` for digits; one that ends with "/" is a run in a folder of its own, which goes by its own
  /// config.json.
  void begin(const nlohmann::ordered_json& config);
  /// Takes DONE away: the run is unfinished from now on.
  void go_on();
  void mark_done() const;

 private:
  std::string path_;
  Mode mode_;
  std::unique_ptr<FolderLock> lock_;
};

}  // namespace unlazy::train
