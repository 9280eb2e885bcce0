// A subcommand of the program: one file in tools/, one line in tools/registry.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/options.h"
#include "core/registry.h"

namespace unlazy::tools {

/// What a call needs.
struct Cost {
  double seconds = 0;
  int64_t disk_bytes = 0;
};

class Command;
using MakeCommand = std::unique_ptr<Command>();

/// Owns the option structs of one subcommand. Reading options and running are separate, so that
/// --help, --print-config, the docs and the shell completion use the same tables and change
/// nothing.
class Command {
 public:
  virtual ~Command() = default;
  /// The option tables, bound to this object's structs.
  virtual Options& options() = 0;
  /// What follows the command's name in the usage line, such as "[options]" or
  /// "info|export|pack [options]".
  virtual std::string usage() const { return "[options]"; }
  /// Paragraphs below the usage line of --help: what the command does, with examples. May be empty.
  virtual std::string description() const { return {}; }
  /// Reads the flags into the options and returns the words that are not flags.
  virtual std::vector<std::string> parse(const std::vector<std::string>& arguments) {
    return options().parse(arguments);
  }
  /// Commands below this one, chosen by the next word ("unlazy bench train"); null for most.
  virtual const Registry<MakeCommand>* subcommands() const { return nullptr; }
  /// What the next word may be: a figure, a benchmark. Empty for most commands, which take names of
  /// folders or nothing.
  virtual std::vector<std::string> first_words() const;
  /// Does it run networks in LibTorch's threads?
  virtual bool runs_networks() const { return true; }
  /// Does the work. `words` are the arguments that are not flags. Returns the exit code: 0, or
  /// 128 + signal.
  virtual int run(const std::vector<std::string>& words) = 0;
  /// What run() with --dry-run has found; empty before it, and for commands that have none.
  virtual std::optional<Cost> cost() const { return {}; }
};

/// All subcommands, in the order of --help.
const Registry<MakeCommand>& commands();

/// The command that the first words name ("train", "bench train"). Removes these words. Throws a
/// misuse Error that names the nearest one.
std::unique_ptr<Command> take_command(std::vector<std::string>& words);

struct NamedCommand {
  std::string name;  // "bench train"
  std::string help;
  std::unique_ptr<Command> command;
};
/// All subcommands, each followed by the commands below it.
std::vector<NamedCommand> all_commands();

/// The row of --preset: the settings of a figure of the paper that `command` has.
Option preset_option(std::string& preset, const std::string& command);
/// Options::parse() after reading the named preset: defaults < preset < --config < flags. `preset`
/// is the target of the row above.
std::vector<std::string> parse_with_preset(Options& options, const std::string& preset,
                                           const std::vector<std::string>& arguments);

/// The settings and curves of `options` that are not at their defaults, as a part of a file name:
/// "-rho=0.1-split=test"; empty when all are at their defaults.
std::string changed_settings(const Options& options);

/// Throws a misuse Error when `words` is not empty, for commands that take flags only.
void refuse_words(const std::string& command, const std::vector<std::string>& words);

}  // namespace unlazy::tools
