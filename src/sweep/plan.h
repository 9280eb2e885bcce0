// What a sweep is: sweep.json in its folder, written whole before any run starts.
// Beside it lie a run folder a point, logs/POINT.log with what the run printed, and state/ with
// locks and failures.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "sweep/grid.h"

namespace unlazy::sweep {

struct Point {
  std::string name;
  Settings set;
};

struct Plan {
  std::string command;                 // whose runs they are: "train"
  std::vector<std::string> arguments;  // the options that all points share, as they were given
  // The value of each option that decides results, where no axis sets it.
  std::map<std::string, std::string> base;
  // The defaults of this program: the values that a sweep of an older one has for options that it
  // did not know. Not recorded.
  std::map<std::string, std::string> defaults = {};
  Grid grid;
  // Axes that were added to a sweep, with the value that its older points have. A point of this
  // value is an older one, so its name does not hold the axis.
  std::map<std::string, std::string> added;
  std::vector<Point> points;  // those of a grown sweep come after the older ones
};

/// Fills in the points. Throws a misuse Error when two have one name.
void make_points(Plan& plan);

/// The sweep that was `before` with the axes and values of `now`. Throws a misuse Error naming the
/// option when `now` is another sweep: it may have more axes and values, and nothing else may
/// differ. `folder` is for messages.
Plan grown(const Plan& before, Plan now, const std::string& folder);

/// Paths in the folder of a sweep.
class SweepFolder {
 public:
  explicit SweepFolder(std::string path) : path_(std::move(path)) {}
  const std::string& path() const { return path_; }
  std::string plan() const { return path_ + "/sweep.json"; }
  std::string run(const std::string& point) const { return path_ + "/" + point; }
  std::string logs() const { return path_ + "/logs"; }
  std::string log(const std::string& point) const { return logs() + "/" + point + ".log"; }
  std::string state() const { return path_ + "/state"; }
  std::string failure(const std::string& point) const { return state() + "/" + point + ".failed"; }

 private:
  std::string path_;
};

bool holds_sweep(const SweepFolder& folder);
/// Throws a misuse Error when there is none, or one of a newer version.
Plan read_plan(const SweepFolder& folder);
/// Makes the folders and records `plan`, or what it adds to the sweep that is there. Processes that
/// do so at the same time wait for each other, at most a minute or so. Returns the recorded plan.
/// Throws a misuse Error for a folder that holds a run or another sweep.
Plan record_plan(const SweepFolder& folder, const Plan& plan);
/// The points of `plan` that sweep.json does not have yet.
std::vector<Point> new_points(const SweepFolder& folder, const Plan& plan);
/// The plan that record_plan() would record; writes nothing.
Plan checked_plan(const SweepFolder& folder, const Plan& plan);

}  // namespace unlazy::sweep
