// The program: finds the subcommand, reads its options, runs it, and turns errors into messages and
// exit codes (0 done, 1 failed, 2 misuse, 128 + signal interrupted after writing a checkpoint).
#include <c10/util/Exception.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "command.h"
#include "core/cpu_memory.h"
#include "core/error.h"
#include "core/version.h"

namespace unlazy::tools {

namespace {

void print_overview() {
  std::cout << "unlazy " << version()
            << ": how label noise and SAM drive networks out of the lazy regime\n\n"
            << "usage: unlazy COMMAND [options]\n\n";
  for (const auto& entry : commands().entries()) {
    std::cout << "  " << entry.name
              << std::string(12 - std::min<size_t>(11, entry.name.size()), ' ') << entry.help
              << "\n";
  }
  std::cout << "\nunlazy help COMMAND, or unlazy COMMAND --help, lists the options of a command.\n";
}

// What --help, --help SECTION and --help-all ask for.
struct HelpRequest {
  bool is_all = false;
  std::string section;
};

bool is_help_word(const std::string& word) {
  return word == "--help" || word == "-h" || word == "--help-all" || word == "help";
}

std::optional<HelpRequest> help_request(const std::vector<std::string>& arguments) {
  constexpr std::string_view kWithValue = "--help=";
  std::optional<HelpRequest> request;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const auto& word = arguments[i];
    if (word == "--help-all") return HelpRequest{.is_all = true, .section = {}};
    if (word.starts_with(kWithValue)) request = HelpRequest{false, word.substr(kWithValue.size())};
    if (word != "--help" && word != "-h") continue;
    const bool has_section = i + 1 < arguments.size() && !arguments[i + 1].starts_with('-');
    request = HelpRequest{false, has_section ? arguments[i + 1] : ""};
  }
  return request;
}

void print_help(Command& command, const HelpRequest& request) {
  const auto& options = command.options();
  // Before anything is printed: there may be no such section.
  const auto text = request.is_all            ? options.help_all()
                    : request.section.empty() ? options.help()
                                              : options.help_of(request.section);
  std::cout << "usage: unlazy " << options.command() << " " << command.usage() << "\n";
  if (!request.section.empty()) {
    std::cout << text;
    return;
  }
  if (const auto about = command.description(); !about.empty()) std::cout << "\n" << about << "\n";
  std::cout
      << text
      << "\nEvery command\n"
         "  --config FILE               Read options from a JSON file first; flags win over it.\n"
         "  --print-config              Print the resolved options as JSON and stop.\n"
         "  --help, --help-all          Print this text, or all options; --help SECTION prints "
         "one section.\n";
}

// Removes `flag` from the arguments; was it there?
bool take(std::vector<std::string>& arguments, const std::string& flag) {
  return std::erase(arguments, flag) > 0;
}

// A thread that waits in LibTorch's OpenMP spins for about a millisecond. Beside another program
// that stalls each of the hundreds of waits of a training step: steps ten times slower were seen
// on two cores. The runtime reads its settings when it is loaded, before main(), so the program
// sets a short spin and starts itself again. A user's own setting is kept.
void restart_with_short_waits(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  ::setenv("GOMP_SPINCOUNT", "5000", 1);
  ::execv("/proc/self/exe", argv);  // where that fails, it goes on as it is
}

int run(std::vector<std::string> arguments, char** argv) {
  // "unlazy help train sam" is "unlazy train --help sam".
  bool is_help = arguments.empty();
  while (!arguments.empty() && is_help_word(arguments[0])) {
    is_help = true;
    arguments.erase(arguments.begin());
  }
  if (arguments.empty()) {
    print_overview();
    return 0;
  }
  if (arguments[0] == "--version") {
    std::cout << "unlazy " << version() << "\n";
    return 0;
  }
  const auto command = take_command(arguments);
  if (is_help) arguments.insert(arguments.begin(), "--help");
  if (const auto request = help_request(arguments)) {
    print_help(*command, *request);
    return 0;
  }
  // Before options are read: a configuration from a pipe can be read once only.
  if (command->runs_networks()) restart_with_short_waits(argv);
  const bool print_config = take(arguments, "--print-config");
  const auto words = command->parse(arguments);
  command->options().refuse_without_effect();
  if (print_config) {
    std::cout << command->options().to_json().dump(2) << "\n";
    return 0;
  }
  return command->run(words);
}

// Descriptors 0 to 2 that the caller closed: a file of a run that got such a number would receive
// what is printed.
void open_standard_descriptors() {
  int file = 0;
  do file = ::open("/dev/null", O_RDWR);
  while (file >= 0 && file <= STDERR_FILENO);
  if (file > STDERR_FILENO) ::close(file);
}

// A reader that has seen enough (`| head`) is no failure; a full disk is one.
bool is_output_lost() {
  std::cout.flush();
  if (std::cout.good()) return false;
  pollfd output{STDOUT_FILENO, 0, 0};
  return ::poll(&output, 1, 0) < 0 || (output.revents & POLLERR) == 0;
}

int run_and_report(int argc, char** argv) {
  try {
    const int code = run({argv + 1, argv + argc}, argv);
    UNLAZY_CHECK(code != 0 || !is_output_lost(),
                 "standard output cannot be written; is the disk full? What was written to other "
                 "files is complete");
    return code;
  } catch (const Error& error) {
    std::cerr << "unlazy: " << error.what() << "\n";
    return error.kind() == Error::Kind::kMisuse ? 2 : 1;
  } catch (const c10::Error& error) {
    std::cerr << "unlazy: LibTorch: " << error.what_without_backtrace() << "\n";
  } catch (const std::exception& error) {
    std::cerr << "unlazy: " << error.what() << "\n";
  }
  return 1;
}

}  // namespace
}  // namespace unlazy::tools

int main(int argc, char** argv) {
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error of write(), with a message
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe ends the printing, not the run
  unlazy::tools::open_standard_descriptors();
  unlazy::use_caching_cpu_allocator();
  return unlazy::tools::run_and_report(argc, argv);
}
