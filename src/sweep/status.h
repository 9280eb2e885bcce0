// The points of a sweep as a table, read from its folder while it runs or later.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sweep/plan.h"
#include "sweep/state.h"

namespace unlazy::sweep {

enum class PointState { kWaiting, kStopped, kRunning, kDone, kFailed };

struct PointStatus {
  std::string name;
  PointState state = PointState::kWaiting;
  std::string host;     // of a running point: its machine and process
  std::string reason;   // of a failed one: the last line of its log
  Progress progress;    // of one that was begun
  double seconds = -1;  // of a done one; -1: unknown
};

/// The points in the order of the plan. A point whose process was killed on this machine is
/// stopped; one on another machine counts as running as long as its lock is there.
std::vector<PointStatus> status_of(const SweepFolder& folder, const Plan& plan);

/// The table, then a line with counts and the time that is left.
std::string status_text(const std::vector<PointStatus>& points);

}  // namespace unlazy::sweep
