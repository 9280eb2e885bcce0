// A run of the program as a process of its own, so that its crash does not end the sweep.
#pragma once

#include <sys/types.h>

#include <array>
#include <string>
#include <vector>

#include "sweep/machine.h"

namespace unlazy::sweep {

struct ChildOptions {
  std::vector<std::string> arguments;    // of this program: "train", "--seed", "0"
  std::string log;                       // file that receives what it prints, appended
  std::vector<std::string> environment;  // "NAME=value", in place of what this process has
};

/// The process. It waits until go(), so that it can be written down first. It is killed when this
/// process ends in any way (the thread that made it must live as long as it). Its process group is
/// its own: Ctrl-C reaches it only by signal().
class Child {
 public:
  /// Throws Error when there can be no further process.
  explicit Child(const ChildOptions& options);
  /// Kills a process that still runs, and waits for its end.
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  Process process() const { return process_; }
  void go();
  void signal(int number) const;
  /// Has it ended? Then status() is what waitpid() said.
  bool has_ended();
  int status() const { return status_; }

 private:
  void close_gate();

  Process process_;
  // Both ends, so that writing to a child that has died is no error.
  std::array<int, 2> gate_ = {-1, -1};
  bool has_ended_ = false;
  int status_ = 0;
};

}  // namespace unlazy::sweep
