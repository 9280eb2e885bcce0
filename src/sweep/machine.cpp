#include "sweep/machine.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <sstream>

#include "core/error.h"
#include "core/files.h"

namespace unlazy::sweep {
namespace {

std::string text_of(const std::string& path) {
  try {
    return read_file(path);
  } catch (const Error&) {
    return {};
  }
}

std::string link_target(const char* path) {
  std::array<char, 128> text{};
  const ssize_t size = ::readlink(path, text.data(), text.size());
  return size > 0 ? std::string(text.data(), static_cast<size_t>(size)) : std::string();
}

std::string find_machine() {
  auto boot = text_of("/proc/sys/kernel/random/boot_id");
  while (boot.ends_with('\n')) boot.pop_back();
  const auto container = link_target("/proc/self/ns/pid");
  return boot.empty() || container.empty() ? "" : boot + " " + container;
}

}  // namespace

const std::string& this_machine() {
  static const std::string machine = find_machine();
  return machine;
}

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "unknown";
  return name.data();
}

Process process_of(pid_t pid) {
  const auto text = text_of("/proc/" + std::to_string(pid) + "/stat");
  // "12 (a name) S 1 ...": the name may hold anything, brackets too. The state is the third field,
  // the start the 22nd.
  const auto name_end = text.rfind(')');
  if (name_end == std::string::npos) return {pid, 0};
  std::istringstream in(text.substr(name_end + 1));
  std::string state, skipped;
  in >> state;
  if (state == "Z" || state == "X") return {pid, 0};
  for (int field = 4; field < 22; ++field) in >> skipped;
  int64_t start = 0;
  in >> start;
  return {pid, start};
}

bool is_alive(const Process& process) {
  if (process.pid <= 0 || process.start <= 0) return false;
  const auto pid = static_cast<pid_t>(process.pid);
  if (process_of(pid) == process) return true;
  // /proc may hide the processes of other users (hidepid). They count as alive.
  return text_of("/proc/" + std::to_string(pid) + "/stat").empty() && ::kill(pid, 0) != 0 &&
         errno == EPERM;
}

double seconds_since_boot() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace unlazy::sweep
