#include "sweep/runner.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "core/format.h"
#include "core/names.h"
#include "core/stopwatch.h"
#include "sweep/child.h"
#include "sweep/lock.h"
#include "sweep/state.h"

namespace unlazy::sweep {
namespace {

std::string time_text() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[40];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts);
  return text;
}

// How a process ended.
enum class End { kDone, kFailed, kStopped, kKilled };

// Signals with which a person or the system ends a process that has done nothing wrong.
bool is_from_outside(int number) {
  for (const int other : {SIGKILL, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2}) {
    if (number == other) return true;
  }
  return false;
}

int code_of(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// A run exits with 128 + signal itself after it has written its checkpoint.
End end_of(int status, bool is_done, bool is_stopping) {
  const int code = code_of(status);
  if (code == 0) return is_done ? End::kDone : End::kFailed;
  if (code > 128 && is_from_outside(code - 128)) return is_stopping ? End::kStopped : End::kKilled;
  return End::kFailed;
}

void append_line(const std::string& path, const std::string& line) {
  std::ofstream(path, std::ios::app) << line << "\n";
}

// Is a process there that writes this run, such as one that is about to die?
bool is_in_use(const std::string& run) {
  if (!std::filesystem::exists(run + "/.lock")) return false;
  try {
    const FolderLock lock(run);
    return false;
  } catch (const Error&) {
    return true;
  }
}

// A point that this process runs.
struct Job {
  Point point;
  size_t slot = 0;
  std::unique_ptr<PointLock> lock;
  std::unique_ptr<Child> child;  // goes before the lock
  Stopwatch watch;
  double begun_at = 0;  // fraction of the run that was there before
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
    return std::ranges::any_of(jobs_, [&](const Job& job) { return job.point.name == point; });
  }
  bool is_open_here(const std::string& point) const {
    return state_of(point) == State::kOpen && !tried_.contains(point);
  }

  // Nothing is left that this process could do, now or when others give up.
  bool is_at_end() const {
    return std::ranges::none_of(points_, [&](const Point& point) {
      return is_open_here(point.name) && (options_.waits_for_others || !held_.contains(point.name));
    });
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
        held_.insert(point.name);
        continue;
      }
      if (static_cast<int64_t>(jobs_.size()) >= options_.jobs) {
        ++num_free_seen_;  // so the next free place need not wait for the next look
        break;
      }
      if (!start(point)) held_.insert(point.name);
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
    Job job{point, free_slot(), std::move(lock), nullptr, Stopwatch(), 0};
    job.begun_at = progress_of(folder_.run(name)).fraction();
    ChildOptions child{hooks_.arguments(point), folder_.log(name), {}};
    if (!options_.gpus.empty())
      child.environment = {"CUDA_VISIBLE_DEVICES=" +
                           options_.gpus[job.slot % options_.gpus.size()]};
    append_line(folder_.log(name), kLogBegin + join(child.arguments, " ") + "  (" + host_name() +
                                       ", " + time_text() + ")");
    job.child = std::make_unique<Child>(child);
    job.lock->set_child(job.child->process());
    job.child->go();
    jobs_.push_back(std::move(job));
    say(name + ": " + (progress_of(folder_.run(name)).step > 0 ? "goes on" : "started"));
    return true;
  }

  void settle_ended() {
    for (size_t i = 0; i < jobs_.size();) {
      if (!jobs_[i].child->has_ended()) {
        ++i;
        continue;
      }
      settle(jobs_[i]);
      jobs_.erase(jobs_.begin() + static_cast<std::ptrdiff_t>(i));
      next_look_ = 0;
    }
  }

  void settle(Job& job) {
    const auto& name = job.point.name;
    const int status = job.child->status(), code = code_of(status);
    const double seconds = job.watch.seconds();
    const auto end = end_of(status, is_done(folder_.run(name)), is_stopping());
    const auto log = folder_.log(name);
    tried_.insert(name);
    switch (end) {
      case End::kDone:
        append_line(log, kLogMark + ("done after " + number_text(seconds) + " s"));
        settled_[name] = State::kDone;
        ++num_timed_;
        seconds_ += seconds / std::max(1e-3, 1 - job.begun_at);
        job.lock->remove();
        say(name + ": done in " + duration_text(seconds) + "; " + count_text() + left_text());
        tell_estimate(job);
        return;
      case End::kFailed: {
        auto reason = last_line(log);
        if (code > 128) reason = internal::concat("crashed (signal ", code - 128, "); ", reason);
        if (code == 0) reason = "ended without a finished run; " + reason;
        append_line(log, kLogMark + internal::concat("failed with code ", code));
        write_failure(folder_, name, {reason, code, host_name(), time_text() + job_mark()});
        settled_[name] = State::kFailed;
        say(name + ": failed: " + reason);
        return;
      }
      case End::kStopped:
        say(name + ": stopped");
        return;
      case End::kKilled:
        append_line(log, kLogMark + internal::concat("killed by signal ", code - 128));
        say(internal::concat(name, ": was killed (signal ", code - 128,
                             code - 128 == SIGKILL ? "; is the memory full?" : "",
                             "); the next call of the sweep goes on with it"));
        return;
    }
  }

  // Tells this failure from another one of the same second.
  std::string job_mark() const {
    return internal::concat(" ", host_name(), " ", ::getpid(), " ", tried_.size());
  }

  void stop_at_signal() {
    if (is_stopping()) return;
    signal_ = hooks_.signal ? hooks_.signal() : 0;
    if (!is_stopping() || jobs_.empty()) return;
    say("stopping: the runs write their checkpoints");
    for (const auto& job : jobs_) job.child->signal(SIGTERM);
  }

  void beat() {
    for (size_t i = 0; i < jobs_.size();) {
      if (jobs_[i].lock->beat()) {
        ++i;
        continue;
      }
      const auto name = jobs_[i].point.name;
      jobs_[i].child.reset();  // killed
      jobs_.erase(jobs_.begin() + static_cast<std::ptrdiff_t>(i));
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
      const double part = progress_of(folder_.run(job.point.name)).fraction() - job.begun_at;
      if (part > 0) seconds = std::max(seconds, job.watch.seconds() / part);
    }
    return seconds;
  }

  std::string left_text() const {
    const double each = seconds_a_point();
    const auto num_open = count(State::kOpen);
    if (each <= 0 || num_open == 0) return "";
    double left = each * static_cast<double>(num_open);
    for (const auto& job : jobs_) left -= std::min(each, job.watch.seconds());
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
      const auto progress = progress_of(folder_.run(job.point.name));
      if (progress.end > 0)
        text += "  " + std::to_string(progress.step) + "/" + std::to_string(progress.end);
    }
    if (hooks_.on_status) hooks_.on_status(text + left_text());
    constexpr double kFirstLook = 10;  // seconds: the first ones are for reading data
    if (jobs_.front().watch.seconds() > kFirstLook && seconds_a_point() > 0)
      tell_estimate(jobs_.front());
  }

  // Once: time and disk of all that is to be done.
  void tell_estimate(const Job& job) {
    const auto num_open = count(State::kOpen);
    if (is_estimate_told_ || num_open == 0) return;
    is_estimate_told_ = true;
    const double bytes = bytes_in(folder_.run(job.point.name));
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
      summary.is_held = summary.is_held || locks_.owner(point.name).has_value();
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
      gpus.push_back(text.substr(0, end));
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
