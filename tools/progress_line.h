// A line on the terminal that is rewritten in place. Prints nothing where there is no terminal.
#pragma once

#include <unistd.h>

#include <iostream>
#include <string>

namespace unlazy::tools {

class ProgressLine {
 public:
  ~ProgressLine() { clear(); }
  void show(const std::string& text) const {
    if (is_terminal_) std::cerr << "\r\033[K" << text << std::flush;
  }
  void clear() const {
    if (is_terminal_) std::cerr << "\r\033[K" << std::flush;
  }

 private:
  bool is_terminal_ = ::isatty(STDERR_FILENO) == 1;
};

}  // namespace unlazy::tools
