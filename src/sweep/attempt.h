// One try at a point: its lock, its process, and what is written about how it ended.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/stopwatch.h"
#include "sweep/child.h"
#include "sweep/lock.h"
#include "sweep/plan.h"

namespace unlazy::sweep {

enum class End {
  kDone,
  kFailed,   // recorded: state.h
  kStopped,  // as asked, after a checkpoint where there was time for one
  kKilled    // from outside, such as for want of memory: no failure of the run
};

struct Ending {
  End end;
  int code = 0;        // the exit code, or 128 + signal
  std::string reason;  // of a failure
  double seconds = 0;
};

class Attempt {
 public:
  /// Starts the run of a point whose lock this process holds; the lock goes with the attempt.
  /// `arguments` and `environment` are those of child.h. Throws Error when it cannot be started.
  Attempt(const SweepFolder& folder, Point point, std::unique_ptr<PointLock> lock,
          const std::vector<std::string>& arguments, const std::vector<std::string>& environment);

  const Point& point() const { return point_; }
  double seconds() const { return watch_.seconds(); }
  /// The part of the run that was there before this attempt, in [0, 1].
  double begun_at() const { return begun_at_; }
  bool goes_on() const { return goes_on_; }

  bool has_ended() { return child_->has_ended(); }
  /// Asks the run to write its checkpoint and end.
  void stop() const;
  /// PointLock::beat(). After false the run must be killed: by the end of this object.
  bool beat() { return lock_->beat(); }
  /// After has_ended(): writes the end into the log and a failure into the state.
  Ending finish(bool is_stopping);

 private:
  const SweepFolder& folder_;
  Point point_;
  std::unique_ptr<PointLock> lock_;
  std::unique_ptr<Child> child_;  // goes before the lock
  Stopwatch watch_;
  double begun_at_ = 0;
  bool goes_on_ = false;
};

/// Is a process there that writes this run, such as one that is about to die? False where the lock
/// of its folder cannot be tried.
bool is_in_use(const std::string& run);

}  // namespace unlazy::sweep
