// The common part of commands that make several runs: output lines, and stopping at Ctrl-C.
#pragma once

#include <string>

#include "interrupt.h"
#include "train/loop.h"

namespace unlazy::tools {

/// Prints the lines of the loop and stops it at a signal. `interrupt` must outlive it.
train::Hooks hooks_for(const Interrupt& interrupt);

/// Says how to continue after a signal, and returns the exit code.
int report_interrupt(const Interrupt& interrupt,
                     const std::string& with = "the same command and --resume");

}  // namespace unlazy::tools
