// Ctrl-C and SIGTERM as a question that a loop can ask, so that it saves its state first. A second
// signal ends the program at once.
#pragma once

#include <csignal>
#include <vector>

namespace unlazy::tools {

class Interrupt {
 public:
  /// Of these signals. One that the caller of the program ignores (nohup) stays ignored.
  explicit Interrupt(std::vector<int> signals = {SIGINT, SIGTERM});
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;
  /// The signal that was received, or 0.
  int signal() const;

 private:
  std::vector<int> signals_;
};

}  // namespace unlazy::tools
