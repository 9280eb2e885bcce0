// Faults of files, one at a time: the test program stands between its libraries and the C library,
// counts what changes files (making, writing, flushing, renaming, cutting, removing), and ends the
// process at the k-th, or makes it fail.
#pragma once

#include <cstdint>
#include <functional>

namespace unlazy::testing {

enum class Fault {
  kKill,  // the process is gone, a write half done: kill -9, or a loss of power
  kFull   // the call fails, the disk is full; so do all later ones that need space
};

/// Runs `action` in a child process with the fault at its k-th change of files, from 0 on. Returns
/// whether it came to that; else the action has ended by itself. An Error that it throws ends it.
bool run_with_fault(Fault fault, int64_t k, const std::function<void()>& action);

}  // namespace unlazy::testing
