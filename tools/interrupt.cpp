#include "interrupt.h"

#include <utility>

namespace unlazy::tools {
namespace {

// A signal handler can reach nothing but a variable of static storage.
volatile std::sig_atomic_t received = 0;

extern "C" void on_signal(int number) {
  received = number;
  std::signal(number, SIG_DFL);
}

}  // namespace

Interrupt::Interrupt(std::vector<int> signals) : signals_(std::move(signals)) {
  received = 0;
  std::erase_if(signals_, [](int number) {
    const bool is_ignored = std::signal(number, on_signal) == SIG_IGN;
    if (is_ignored) std::signal(number, SIG_IGN);
    return is_ignored;
  });
}

Interrupt::~Interrupt() {
  for (const int number : signals_) std::signal(number, SIG_DFL);
}

int Interrupt::signal() const { return received; }

}  // namespace unlazy::tools
