// How far the points of a sweep are, read from their folders.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sweep/plan.h"

namespace unlazy::sweep {

/// Is the run in this folder finished? Reads the folder, so that NFS asks the server.
bool is_done(const std::string& run);

/// Why a point failed: state/POINT.failed.
struct Failure {
  std::string reason;  // the last line of its log
  int64_t code = 0;    // its exit code, or 128 + the signal that ended it
  std::string host;
  std::string text;  // of the whole file: tells one failure from a later one
};
std::optional<Failure> failure_of(const SweepFolder& folder, const std::string& point);
void write_failure(const SweepFolder& folder, const std::string& point, const Failure& failure);
void remove_failure(const SweepFolder& folder, const std::string& point);

/// The last line that a run printed; "unlazy: " at its beginning is left out. Empty without one.
std::string last_line(const std::string& log);

/// Lines that the sweep itself writes into a log begin with this, the first of a try with kLogBegin.
inline constexpr const char* kLogMark = "== ";
inline constexpr const char* kLogBegin = "== unlazy ";

/// Steps of the runs in a folder, those of its subfolders included. Rows of metrics.csv tell, so it
/// is as fine as the run measures.
struct Progress {
  int64_t step = 0;
  int64_t end = 0;  // 0: unknown
  double fraction() const {
    return end > 0 ? static_cast<double>(step) / static_cast<double>(end) : 0;
  }
};
Progress progress_of(const std::string& run);

/// Bytes of all files in a folder.
double bytes_in(const std::string& folder);

}  // namespace unlazy::sweep
