// Runs the built program, as a user does.
#pragma once

#include <string>
#include <vector>

namespace unlazy::testing {

struct ProgramResult {
  int exit_code = -1;  // 128 + signal when a signal ended it
  std::string out;     // what it wrote to standard output
  std::string err;     // and to standard error
};

/// Runs `command` (its first word is looked up in PATH) and waits for it; standard input is empty.
ProgramResult run_command(const std::vector<std::string>& command);

/// Runs the unlazy of this build: run_program({"train", "--noise-rate", "1.5"}).
ProgramResult run_program(const std::vector<std::string>& arguments);

}  // namespace unlazy::testing
