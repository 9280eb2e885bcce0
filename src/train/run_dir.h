// The folder of a run:
//   config.json            resolved options, and under "about" versions and device
//   metrics.csv            step,epoch,name,value: appended and flushed row by row
//   log.txt                one line an epoch, with times
//   events.out.tfevents.*  the same curves for TensorBoard
//   checkpoints/STEP/      see checkpoint.h
//   DONE                   written last
// One process owns a run directory.
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
  enum class Mode { kNew, kOverwrite, kResume };
  /// kNew: the folder must not hold a run. kOverwrite: a run that is there is deleted (only files
  /// that a run consists of). kResume: it must hold one. Throws Error saying what to do when it is
  /// not so, or when another process uses it.
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

  void write_config(const nlohmann::ordered_json& config) const;
  void mark_done() const;
  bool is_done() const;

 private:
  std::string path_;
  std::unique_ptr<FolderLock> lock_;
};

}  // namespace unlazy::train
