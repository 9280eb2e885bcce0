#include "sweep/child.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <string_view>
#include <utility>

#include "core/error.h"

namespace unlazy::sweep {
namespace {

// This process's environment with `changes`.
std::vector<std::string> environment_with(const std::vector<std::string>& changes) {
  const auto name_of = [](const std::string& entry) { return entry.substr(0, entry.find('=')); };
  std::vector<std::string> list = changes;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    bool is_changed = false;
    for (const auto& change : changes)
      is_changed = is_changed || name_of(change) == name_of(*entry);
    if (!is_changed) list.emplace_back(*entry);
  }
  return list;
}

std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> list;
  for (auto& word : words) list.push_back(word.data());
  list.push_back(nullptr);
  return list;
}

// This process's handlers note a signal for this process; a child that does so would lose it.
void forget_handlers() {
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) {
    struct sigaction action {};
    if (::sigaction(number, nullptr, &action) != 0 || action.sa_handler == SIG_IGN) continue;
    action = {};
    action.sa_handler = SIG_DFL;
    ::sigaction(number, &action, nullptr);
  }
}

// Between fork and exec, with all signals blocked: only calls that are safe there.
[[noreturn]] void become(pid_t parent, int gate, int log, char* const* words, char* const* names,
                         const sigset_t& signals) {
  forget_handlers();
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // A parent that died before this line sends no signal any more, but nobody opens the gate.
  if (::getppid() != parent) ::_exit(127);
  ::pthread_sigmask(SIG_SETMASK, &signals, nullptr);
  char go = 0;
  ssize_t size = -1;
  do size = ::read(gate, &go, 1);
  while (size < 0 && errno == EINTR);
  if (size != 1) ::_exit(127);
  ::dup2(::open("/dev/null", O_RDONLY), STDIN_FILENO);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  ::execve("/proc/self/exe", words, names);
  ::_exit(127);
}

}  // namespace

Child::Child(const ChildOptions& options) {
  const int log = ::open(options.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  UNLAZY_CHECK(log >= 0, options.log, ": cannot be written: ", std::strerror(errno));
  auto words = options.arguments;
  words.insert(words.begin(), "unlazy");
  auto names = environment_with(options.environment);
  const auto word_list = pointers_to(words), name_list = pointers_to(names);
  const pid_t parent = ::getpid();
  const bool has_gate = ::pipe2(gate_.data(), O_CLOEXEC) == 0;
  sigset_t all, signals;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &signals);
  const pid_t child = has_gate ? ::fork() : -1;
  const int reason = errno;
  if (child == 0) {
    ::close(gate_[1]);
    become(parent, gate_[0], log, word_list.data(), name_list.data(), signals);
  }
  ::pthread_sigmask(SIG_SETMASK, &signals, nullptr);
  ::close(log);
  if (child < 0) close_gate();
  UNLAZY_CHECK(child > 0, "sweep: no further process can be started: ", std::strerror(reason));
  process_ = process_of(child);
}

Child::~Child() {
  close_gate();
  if (has_ended_) return;
  ::kill(static_cast<pid_t>(process_.pid), SIGKILL);
  while (::waitpid(static_cast<pid_t>(process_.pid), &status_, 0) < 0 && errno == EINTR) {
  }
}

void Child::go() {
  const char go = 1;
  // A child that was killed meanwhile is found ended later.
  static_cast<void>(!::write(gate_[1], &go, 1));
  close_gate();
}

void Child::close_gate() {
  for (int& end : gate_) {
    if (end >= 0) ::close(std::exchange(end, -1));
  }
}

void Child::signal(int number) const {
  if (!has_ended_) ::kill(static_cast<pid_t>(process_.pid), number);
}

bool Child::has_ended() {
  if (has_ended_) return true;
  has_ended_ = ::waitpid(static_cast<pid_t>(process_.pid), &status_, WNOHANG) != 0;
  return has_ended_;
}

}  // namespace unlazy::sweep
