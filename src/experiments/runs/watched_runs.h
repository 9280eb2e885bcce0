// Runs that are going on, as one frame of text for a terminal: `unlazy watch`. Only reads.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "experiments/runs/run_set.h"

namespace unlazy::experiments {

struct WatchOptions {
  std::vector<std::string> curves = {};  // empty: usual ones
  bool log_y = false;
};

struct FrameSize {
  size_t width = 80, height = 24;
  bool has_colors = false;
};

class WatchedRuns {
 public:
  WatchedRuns(std::vector<std::string> folders, WatchOptions options)
      : folders_(std::move(folders)), options_(std::move(options)) {}

  /// Looks for runs again and reads those whose files changed. A run that is not there yet, has no
  /// rows yet, or was cut back by a resume is shown as far as it is.
  void refresh();

  /// What is known now: a line about the runs, one chart per curve with a line per group (the mean
  /// over those of its seeds that have come so far), and a legend with the last values. At most
  /// `size.height` lines, joined by newlines.
  std::string frame(const FrameSize& size) const;

 private:
  // What a run's files were when they were read.
  struct Stamp {
    std::filesystem::file_time_type table, config;
    std::uintmax_t size = 0;
    bool is_done = false;
    bool operator==(const Stamp&) const = default;
  };
  struct Watched {
    Stamp stamp;
    FoundRun run;
  };
  static Stamp stamp_of(const std::string& folder);
  std::string head() const;
  std::vector<std::string> curve_names() const;

  std::vector<std::string> folders_;
  WatchOptions options_;
  std::map<std::string, Watched> known_;
  RunSet set_;
  std::vector<RunGroup> groups_;
};

}  // namespace unlazy::experiments
