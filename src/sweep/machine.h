// Which process is which: on this machine a process is known by its number and the time at which it
// started, so that a number that is given out again is not mistaken for the old process.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace unlazy::sweep {

/// What process numbers belong to: the boot of a machine, and the container. Empty when the system
/// does not say; then no process is known to be dead.
const std::string& this_machine();
/// Its name, for people.
std::string host_name();

struct Process {
  int64_t pid = 0;    // 0: none
  int64_t start = 0;  // clock ticks from the boot to its start
  bool operator==(const Process&) const = default;
};

/// The process of that number, with start 0 where there is none, or where it has ended and nobody
/// has asked for its exit code yet.
Process process_of(pid_t pid);
/// Does a process of this machine still run? False for pid 0. True for one of another user
/// that the system hides.
bool is_alive(const Process& process);

/// Seconds of a clock that goes on while the machine is suspended.
double seconds_since_boot();

}  // namespace unlazy::sweep
