#include "sweep/attempt.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <ctime>
#include <fstream>
#include <utility>

#include "core/error.h"
#include "core/format.h"
#include "core/names.h"
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

// Signals with which a person or the system ends a process that has done nothing wrong.
bool is_from_outside(int number) {
  for (const int other : {SIGKILL, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2}) {
    if (number == other) return true;
  }
  return false;
}

// A run exits with 128 + signal itself after it has written its checkpoint.
End end_of(int code, bool is_done, bool is_stopping) {
  if (code == 0) return is_done ? End::kDone : End::kFailed;
  if (code > 128 && is_from_outside(code - 128)) return is_stopping ? End::kStopped : End::kKilled;
  return End::kFailed;
}

void append_line(const std::string& path, const std::string& line) {
  std::ofstream(path, std::ios::app) << line << "\n";
}

}  // namespace

Attempt::Attempt(const SweepFolder& folder, Point point, std::unique_ptr<PointLock> lock,
                 const std::vector<std::string>& arguments,
                 const std::vector<std::string>& environment)
    : folder_(folder), point_(std::move(point)), lock_(std::move(lock)) {
  const auto before = progress_of(folder.run(point_.name));
  begun_at_ = before.fraction();
  goes_on_ = before.step > 0;
  const auto log = folder.log(point_.name);
  append_line(log,
              kLogBegin + join(arguments, " ") + "  (" + host_name() + ", " + time_text() + ")");
  child_ = std::make_unique<Child>(ChildOptions{arguments, log, environment});
  lock_->set_child(child_->process());
  child_->go();
}

void Attempt::stop() const { child_->signal(SIGTERM); }

Ending Attempt::finish(bool is_stopping) {
  const int status = child_->status();
  Ending ending{End::kDone,
                WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status),
                {},
                watch_.seconds()};
  ending.end = end_of(ending.code, is_done(folder_.run(point_.name)), is_stopping);
  const auto log = folder_.log(point_.name);
  if (ending.end == End::kDone) {
    append_line(log, kLogMark + ("done after " + number_text(ending.seconds) + " s"));
    lock_->remove();
  } else if (ending.end == End::kFailed) {
    ending.reason = last_line(log);
    if (ending.code > 128)
      ending.reason = internal::concat("crashed (signal ", ending.code - 128, "); ", ending.reason);
    if (ending.code == 0) ending.reason = "ended without a finished run; " + ending.reason;
    append_line(log, kLogMark + internal::concat("failed with code ", ending.code));
    // The process tells this failure from another one of the same second.
    const auto mark = internal::concat(time_text(), ", process ", child_->process().pid);
    write_failure(folder_, point_.name, {ending.reason, ending.code, host_name(), mark});
  } else {
    append_line(log, kLogMark + internal::concat("ended by signal ", ending.code - 128));
  }
  return ending;
}

bool is_in_use(const std::string& run) {
  // To write: NFS asks for that. A lock that cannot be tried is for the run itself to report.
  const int file = ::open((run + "/.lock").c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) return false;
  const bool is_taken = ::flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(file);
  return is_taken;
}

}  // namespace unlazy::sweep
