#include "interrupt.h"

#include <csignal>

namespace unlazy::tools {
namespace {

// A signal handler can reach nothing but a variable of static storage.
volatile std::sig_atomic_t received = 0;

extern "C" void on_signal(int number) {
  received = number;
  std::signal(number, SIG_DFL);
}

}  // namespace

Interrupt::Interrupt() {
  received = 0;
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
}

Interrupt::~Interrupt() {
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

int Interrupt::signal() const { return received; }

}  // namespace unlazy::tools
