#include "sweep/status.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <limits>
#include <sstream>

#include "core/files.h"
#include "core/format.h"
#include "sweep/lock.h"

namespace unlazy::sweep {
namespace {

constexpr std::array<const char*, 5> kStateNames = {"waiting", "stopped", "running", "done",
                                                    "failed"};

std::string name_of(PointState state) { return kStateNames[static_cast<size_t>(state)]; }

// Seconds of the last try that was done, from the mark that it left in the log.
double seconds_in(const std::string& log) {
  constexpr std::string_view kMark = "== done after ";
  if (!std::filesystem::exists(log)) return -1;
  const auto text = read_file(log);
  const auto place = text.rfind(kMark);
  double seconds = -1;
  if (place != std::string::npos) std::istringstream(text.substr(place + kMark.size())) >> seconds;
  return seconds;
}

PointStatus status_of_point(const SweepFolder& folder, const LockFolder& locks,
                            const std::string& name) {
  PointStatus status;
  status.name = name;
  const auto run = folder.run(name);
  if (is_done(run)) {
    status.state = PointState::kDone;
    status.seconds = seconds_in(folder.log(name));
    return status;
  }
  status.progress = progress_of(run);
  if (const auto owner = locks.owner(name)) {
    status.state = PointState::kRunning;
    status.host = owner->host + " " + std::to_string(owner->child.pid);
  } else if (const auto failure = failure_of(folder, name)) {
    status.state = PointState::kFailed;
    status.reason = failure->reason;
  } else if (std::filesystem::exists(run + "/config.json")) {
    status.state = PointState::kStopped;
  }
  return status;
}

int64_t count_of(const std::vector<PointStatus>& points, PointState state) {
  return std::ranges::count_if(points, [&](const auto& point) { return point.state == state; });
}

// Seconds until all points are done, if as many run at a time as now; -1 where nothing tells.
double seconds_left(const std::vector<PointStatus>& points) {
  double sum = 0, num_timed = 0, open = 0;
  for (const auto& point : points) {
    if (point.state == PointState::kFailed) continue;
    if (point.state != PointState::kDone) open += 1 - point.progress.fraction();
    if (point.seconds < 0) continue;
    sum += point.seconds;
    num_timed += 1;
  }
  const auto running = static_cast<double>(count_of(points, PointState::kRunning));
  return num_timed > 0 && running > 0 ? open * sum / num_timed / running : -1;
}

std::string note_of(const PointStatus& point) {
  if (point.state == PointState::kFailed) return point.reason;
  if (point.state == PointState::kRunning) return point.host;
  if (point.seconds >= 0) return duration_text(point.seconds);
  return "";
}

std::string progress_text(const PointStatus& point) {
  if (point.state == PointState::kDone || point.progress.end == 0) return "";
  return std::to_string(point.progress.step) + "/" + std::to_string(point.progress.end);
}

}  // namespace

std::vector<PointStatus> status_of(const SweepFolder& folder, const Plan& plan) {
  LockFolder locks(folder.state(), std::numeric_limits<double>::infinity());
  locks.scan();
  std::vector<PointStatus> list;
  for (const auto& point : plan.points) list.push_back(status_of_point(folder, locks, point.name));
  return list;
}

std::string status_text(const std::vector<PointStatus>& points) {
  size_t width = 5, steps = 5;
  for (const auto& point : points) {
    width = std::max(width, point.name.size());
    steps = std::max(steps, progress_text(point).size());
  }
  const auto cell = [](const std::string& text, size_t size) {
    return text + std::string(size - std::min(size, text.size()) + 2, ' ');
  };
  std::ostringstream out;
  out << cell("point", width) << cell("state", 7) << cell("steps", steps) << "\n";
  for (const auto& point : points) {
    std::string line = cell(point.name, width) + cell(name_of(point.state), 7) +
                       cell(progress_text(point), steps) + note_of(point);
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << "\n";
  }
  std::string counts;
  for (const auto state : {PointState::kDone, PointState::kRunning, PointState::kStopped,
                           PointState::kWaiting, PointState::kFailed}) {
    if (const auto count = count_of(points, state); count > 0)
      counts += (counts.empty() ? "" : ", ") + std::to_string(count) + " " + name_of(state);
  }
  const double left = seconds_left(points);
  out << counts << (left >= 0 ? "; about " + duration_text(left) + " left" : "") << "\n";
  return out.str();
}

}  // namespace unlazy::sweep
