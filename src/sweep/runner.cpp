#include "sweep/runner.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "core/format.h"
#include "sweep/attempt.h"
#include "sweep/lock.h"
#include "sweep/state.h"

namespace unlazy::sweep {
namespace {

// A point that this process runs, and its place among those at a time.
struct Job {
  size_t slot;
  std::unique_ptr<Attempt> attempt;
  const std::string& name() const { return attempt->point().name; }
};

class Runner {
 public:
  Runner(const SweepFolder& folder, const std::vector<Point>& points, const RunnerOptions& options,
         const RunnerHooks& hooks)
      : folder_(folder),
        points_(points),
        options_(options),
        hooks_(hooks),
        locks_(folder.state(), options.lock_timeout) {
    for (const auto& point : points_) {
      if (const auto failure = failure_of(folder_, point.name))
        failed_before_[point.name] = failure->text;
    }
  }

  Summary run() {
    constexpr unsigned kPause = 20000;  // microseconds: short beside the shortest run
    look_around();
    say_what_is_there();
    for (;;) {
      stop_at_signal();
      settle_ended();
      if (!is_stopping()) start_some();
      if (jobs_.empty() && (is_stopping() || is_at_end())) break;
      beat();
      tell_waiting();
      show_status();
      ::usleep(kPause);
    }
    return summary();
  }

 private:
  enum class State { kOpen, kDone, kFailed };
  // Of a point that another process has.
  struct FirstSight {
    std::optional<LockOwner> owner;  // none: its run is still there, but nobody holds the lock
    double time;                     // seconds_since_boot()
  };

  bool is_stopping() const { return signal_ != 0; }
  int64_t count(State state) const {
    return static_cast<int64_t>(
        std::ranges::count_if(points_, [&](const Point& p) { return state_of(p.name) == state; }));
  }
  State state_of(const std::string& point) const {
    const auto found = settled_.find(point);
    return found == settled_.end() ? State::kOpen : found->second;
  }
  std::string count_text() const {
    return std::to_string(count(State::kDone)) + "/" + std::to_string(points_.size()) + " done";
  }
  void say(const std::string& line) const {
    if (hooks_.on_line) hooks_.on_line(line);
  }

  // Has the point failed, other than before a call that retries it?
  bool has_failed(const std::string& point) const {
    const auto failure = failure_of(folder_, point);
    if (!failure) return false;
    const auto before = failed_before_.find(point);
    const bool is_old = before != failed_before_.end() && before->second == failure->text;
    return !(is_old && options_.retry_failed);
  }

  // What others have finished since.
  void look_around() {
    locks_.scan();
    for (const auto& point : points_) {
      if (state_of(point.name) != State::kOpen || is_run_here(point.name)) continue;
      if (is_done(folder_.run(point.name))) settled_[point.name] = State::kDone;
      if (state_of(point.name) == State::kOpen && has_failed(point.name))
        settled_[point.name] = State::kFailed;
    }
    next_look_ = seconds_since_boot() + 1;
  }

  void say_what_is_there() {
    const auto num_done = count(State::kDone);
    if (num_done > 0) say(count_text());
    for (const auto& point : points_) {
      if (state_of(point.name) != State::kFailed) continue;
      const auto failure = failure_of(folder_, point.name);
      say(point.name + ": failed before: " + (failure ? failure->reason : "") +
          " (--retry-failed tries it again)");
    }
  }

  bool is_run_here(const std::string& point) const {
    return std::ranges::any_of(jobs_, [&](const Job& job) { return job.name() == point; });
  }
  bool is_open_here(const std::string& point) const {
    return state_of(point) == State::kOpen && !tried_.contains(point);
  }

  // Nothing is left that this process could do, now or when others give up.
  bool is_at_end() const {
    return std::ranges::none_of(points_, [&](const Point& point) {
      return is_open_here(point.name) && !is_left_to_others(point.name);
    });
  }

  void note_held(const std::string& point) {
    held_.insert(point);
    auto& sight =
        first_sights_.try_emplace(point, FirstSight{{}, seconds_since_boot()}).first->second;
    if (!sight.owner) sight.owner = locks_.owner(point);
  }

  // A lock that has not changed yet may be that of a dead machine.
  bool is_left_to_others(const std::string& point) const {
    const auto found = first_sights_.find(point);
    if (options_.waits_for_others || found == first_sights_.end()) return false;
    const auto& before = found->second.owner;
    const auto now = locks_.owner(point);
    const bool has_changed =
        before && now && (now->beat != before->beat || now->process != before->process);
    const double last_look = next_look_ - 1;
    return has_changed ||
           (held_.contains(point) && last_look - found->second.time > 2 * options_.lock_timeout);
  }

  void start_some() {
    if (static_cast<int64_t>(jobs_.size()) >= options_.jobs) return;
    if (num_free_seen_ == 0 && seconds_since_boot() < next_look_) return;
    look_around();
    held_.clear();
    num_free_seen_ = 0;
    for (const auto& point : points_) {
      if (!is_open_here(point.name) || is_run_here(point.name)) continue;
      if (locks_.owner(point.name)) {
        note_held(point.name);
        continue;
      }
      if (static_cast<int64_t>(jobs_.size()) >= options_.jobs) {
        ++num_free_seen_;  // so the next free place need not wait for the next look
        break;
      }
      if (!start(point)) note_held(point.name);
    }
  }

  size_t free_slot() const {
    size_t slot = 0;
    while (std::ranges::any_of(jobs_, [&](const Job& job) { return job.slot == slot; })) ++slot;
    return slot;
  }

  // Returns false when another process has the point.
  bool start(const Point& point) {
    const auto& name = point.name;
    auto lock = locks_.try_lock(name);
    if (!lock) return false;
    // Another process may have had the lock, and finished, since this one looked.
    if (is_done(folder_.run(name))) {
      settled_[name] = State::kDone;
      lock->remove();
      return true;
    }
    if (has_failed(name)) {
      settled_[name] = State::kFailed;
      return true;
    }
    if (is_in_use(folder_.run(name))) return false;
    remove_failure(folder_, name);
    const size_t slot = free_slot();
    std::vector<std::string> environment;
    if (!options_.gpus.empty())
      environment = {"CUDA_VISIBLE_DEVICES=" + options_.gpus[slot % options_.gpus.size()]};
    jobs_.push_back({slot, std::make_unique<Attempt>(folder_, point, std::move(lock),
                                                     hooks_.arguments(point), environment)});
    say(name + ": " + (jobs_.back().attempt->goes_on() ? "goes on" : "started"));
    return true;
  }

  void settle_ended() {
    for (size_t i = 0; i < jobs_.size();) {
      if (!jobs_[i].attempt->has_ended()) {
        ++i;
        continue;
      }
      settle(*jobs_[i].attempt);
      jobs_.erase(jobs_.begin() + static_cast<std::ptrdiff_t>(i));
      next_look_ = 0;
    }
  }

  void settle(Attempt& attempt) {
    const auto& name = attempt.point().name;
    const auto ending = attempt.finish(is_stopping());
    tried_.insert(name);
    switch (ending.end) {
      case End::kDone:
        settled_[name] = State::kDone;
        ++num_timed_;
        seconds_ += ending.seconds / std::max(1e-3, 1 - attempt.begun_at());
        say(name + ": done in " + duration_text(ending.seconds) + "; " + count_text() +
            left_text());
        tell_estimate(name);
        return;
      case End::kFailed:
        settled_[name] = State::kFailed;
        say(name + ": failed: " + ending.reason);
        return;
      case End::kStopped:
        say(name + ": stopped");
        return;
      case End::kKilled: {
        const int signal = ending.code - 128;
        say(name + ": was killed (signal " + std::to_string(signal) +
            (signal == SIGKILL ? "; is the memory full?" : "") +
            "); the next call of the sweep goes on with it");
        return;
      }
    }
  }

  void stop_at_signal() {
    if (is_stopping()) return;
    signal_ = hooks_.signal ? hooks_.signal() : 0;
    if (!is_stopping() || jobs_.empty()) return;
    say("stopping: the runs write their checkpoints");
    for (const auto& job : jobs_) job.attempt->stop();
  }

  void beat() {
    for (size_t i = 0; i < jobs_.size();) {
      if (jobs_[i].attempt->beat()) {
        ++i;
        continue;
      }
      const auto name = jobs_[i].name();
      jobs_.erase(jobs_.begin() + static_cast<std::ptrdiff_t>(i));  // kills the run
      say(name + ": another process has taken it over, or " + folder_.state() +
          " cannot be written; stopped here");
    }
  }

  void tell_waiting() {
    if (!jobs_.empty() || held_.empty() || is_waiting_told_) return;
    is_waiting_told_ = true;
    say("waiting for " + std::to_string(held_.size()) + " points that other processes run");
  }

  // Seconds for a point, from those that were done and what the running ones have done so far.
  double seconds_a_point() const {
    if (num_timed_ > 0) return seconds_ / static_cast<double>(num_timed_);
    double seconds = 0;
    for (const auto& job : jobs_) {
      const double part = progress_of(folder_.run(job.name())).fraction() - job.attempt->begun_at();
      if (part > 0) seconds = std::max(seconds, job.attempt->seconds() / part);
    }
    return seconds;
  }

  std::string left_text() const {
    const double each = seconds_a_point();
    const auto num_open = count(State::kOpen);
    if (each <= 0 || num_open == 0) return "";
    double left = each * static_cast<double>(num_open);
    for (const auto& job : jobs_) {
      if (state_of(job.name()) == State::kOpen) left -= std::min(each, job.attempt->seconds());
    }
    const auto at_a_time = std::max<int64_t>(1, std::min(options_.jobs, num_open));
    return ", about " + duration_text(std::max(0.0, left) / static_cast<double>(at_a_time)) +
           " left";
  }

  void show_status() {
    const double now = seconds_since_boot();
    if (now < next_status_ || jobs_.empty()) return;
    next_status_ = now + 1;
    std::string text = count_text() + ", " + std::to_string(jobs_.size()) + " running";
    for (const auto& job : jobs_) {
      const auto progress = progress_of(folder_.run(job.name()));
      if (progress.end > 0)
        text += "  " + std::to_string(progress.step) + "/" + std::to_string(progress.end);
    }
    if (hooks_.on_status) hooks_.on_status(text + left_text());
    constexpr double kFirstLook = 10;  // seconds: the first ones are for reading data
    if (jobs_.front().attempt->seconds() > kFirstLook && seconds_a_point() > 0)
      tell_estimate(jobs_.front().name());
  }

  // Once: time and disk of all that is to be done.
  void tell_estimate(const std::string& name) {
    const auto num_open = count(State::kOpen);
    if (is_estimate_told_ || num_open == 0) return;
    is_estimate_told_ = true;
    const double bytes = bytes_in(folder_.run(name));
    std::error_code error;
    const auto space = std::filesystem::space(folder_.path(), error);
    const double needed = bytes * static_cast<double>(num_open);
    say("estimate: " + duration_text(seconds_a_point()) + " and " + bytes_text(bytes) + " a point" +
        left_text() + ", " + bytes_text(needed) + " more on the disk");
    if (!error && needed > static_cast<double>(space.available))
      say("note: only " + bytes_text(static_cast<double>(space.available)) +
          " are free on that disk");
  }

  Summary summary() {
    look_around();
    Summary summary;
    summary.done = count(State::kDone);
    for (const auto& point : points_) {
      if (state_of(point.name) == State::kFailed) summary.failed.push_back(point.name);
      if (state_of(point.name) != State::kOpen) continue;
      summary.open.push_back(point.name);
      if (const auto owner = locks_.owner(point.name))
        summary.held.push_back(point.name + " (" + owner->host + ", process " +
                               std::to_string(owner->process.pid) + ")");
    }
    return summary;
  }

  const SweepFolder& folder_;
  const std::vector<Point>& points_;
  const RunnerOptions& options_;
  const RunnerHooks& hooks_;
  LockFolder locks_;
  std::map<std::string, std::string> failed_before_;
  std::map<std::string, State> settled_;
  std::set<std::string> tried_, held_;
  std::map<std::string, FirstSight> first_sights_;
  std::vector<Job> jobs_;
  int signal_ = 0;
  int64_t num_timed_ = 0, num_free_seen_ = 1;
  double seconds_ = 0, next_look_ = 0, next_status_ = 0;
  bool is_estimate_told_ = false, is_waiting_told_ = false;
};

}  // namespace

Summary run_points(const SweepFolder& folder, const std::vector<Point>& points,
                   const RunnerOptions& options, const RunnerHooks& hooks) {
  return Runner(folder, points, options, hooks).run();
}

std::vector<std::string> visible_gpus() {
  std::vector<std::string> gpus;
  if (const char* chosen = std::getenv("CUDA_VISIBLE_DEVICES")) {
    std::string text = chosen;
    for (size_t end; !text.empty(); text.erase(0, end == std::string::npos ? end : end + 1)) {
      end = text.find(',');
      const auto gpu = text.substr(0, end);
      if (gpu.starts_with('-')) break;  // CUDA sees none of those that follow
      gpus.push_back(gpu);
    }
    return gpus;
  }
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/driver/nvidia/gpus", error)) {
    static_cast<void>(entry);
    gpus.push_back(std::to_string(gpus.size()));
  }
  return gpus;
}

}  // namespace unlazy::sweep
