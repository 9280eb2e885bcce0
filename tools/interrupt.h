// Ctrl-C and SIGTERM as a question that a loop can ask, so that it saves its state first. A second
// signal ends the program at once.
#pragma once

namespace unlazy::tools {

class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;
  /// The signal that was received, or 0.
  int signal() const;
};

}  // namespace unlazy::tools
