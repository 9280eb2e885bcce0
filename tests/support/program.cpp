#include "support/program.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>

#include "core/files.h"
#include "support/scratch_folder.h"

namespace unlazy::testing {
namespace {

// Between fork and exec: only calls that are safe there.
[[noreturn]] void become(char* const* words, const char* out, const char* err) {
  ::dup2(::open("/dev/null", O_RDONLY), STDIN_FILENO);
  ::dup2(::open(out, O_WRONLY | O_CREAT | O_TRUNC, 0644), STDOUT_FILENO);
  ::dup2(::open(err, O_WRONLY | O_CREAT | O_TRUNC, 0644), STDERR_FILENO);
  ::execvp(words[0], words);
  ::_exit(127);
}

}  // namespace

ProgramResult run_command(const std::vector<std::string>& command) {
  const ScratchFolder scratch;
  const std::string out = scratch / "out", err = scratch / "err";
  std::vector<char*> words;
  for (const auto& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);

  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("fork failed");
  if (child == 0) become(words.data(), out.c_str(), err.c_str());
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) throw std::runtime_error("waitpid failed");
  }
  const int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return {code, read_file(out), read_file(err)};
}

ProgramResult run_program(const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {UNLAZY_PROGRAM};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return run_command(command);
}

}  // namespace unlazy::testing
