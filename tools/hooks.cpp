#include "hooks.h"

#include <iostream>

namespace unlazy::tools {

train::Hooks hooks_for(const Interrupt& interrupt) {
  train::Hooks hooks;
  hooks.on_line = [](const std::string& line) { std::cout << line << std::endl; };
  hooks.should_stop = [&interrupt] { return interrupt.signal() != 0; };
  return hooks;
}

int report_interrupt(const Interrupt& interrupt, const std::string& with) {
  std::cerr << "unlazy: interrupted; continue with " << with << "\n";
  return 128 + interrupt.signal();
}

}  // namespace unlazy::tools
