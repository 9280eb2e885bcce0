// unlazy completion: a bash script that completes commands, flags and the words that flags accept.
// It is made from the commands and their option tables, so it always matches this program.
#include <iostream>
#include <sstream>

#include "command.h"
#include "core/error.h"

namespace unlazy::tools {
namespace {

constexpr const char* kCommonFlags = "--config --print-config --help --help-all";

// After these a file is what one wants to name.
bool takes_path(const Option& option) {
  return std::holds_alternative<std::string*>(option.target) && option.choices.empty();
}

std::string choice_names(const Option& option) {
  std::vector<std::string> names;
  for (const auto& choice : option.choices) names.push_back(choice.name);
  return join(names, " ");
}

// Arms of `case "$command $flag"`: what may stand after a flag.
void write_values(std::ostream& out, Command& command) {
  const std::string& name = command.options().command();
  for (const auto& table : command.options().tables()) {
    for (const auto& row : table.rows()) {
      const std::string arm = "    \"" + name + " --" + row.name + "\") ";
      const bool is_list = std::holds_alternative<std::vector<std::string>*>(row.target);
      if (is_switch(row)) {
        out << arm << "[ -z \"$assigned\" ] || values='true false' ;;\n";
      } else if (!row.choices.empty()) {
        out << arm << (is_list ? "list=1 " : "") << "values='" << choice_names(row) << "' ;;\n";
      } else if (!takes_path(row)) {
        out << arm << "values=' ' ;;\n";  // a number: nothing to offer, not even files
      } else {
        out << arm << "files=1 ;;\n";
      }
    }
  }
}

// Arms of `case "$command"`: its flags and first words.
void write_flags(std::ostream& out, Command& command) {
  std::vector<std::string> flags;
  for (const auto& table : command.options().tables()) {
    for (const auto& row : table.rows()) flags.push_back("--" + row.name);
  }
  out << "    \"" << command.options().command() << "\")\n      flags='" << join(flags, " ")
      << "'\n      words='" << join(command.first_words(), " ") << "' ;;\n";
}

std::string bash_script() {
  std::vector<std::string> names;
  for (const auto& entry : commands().entries()) names.push_back(entry.name);
  names.push_back("help");
  std::ostringstream values, flags, below;
  for (const auto& [name, help, command] : all_commands()) {
    if (name.find(' ') != std::string::npos)
      below << "    \"" << name << "\") command='" << name << "' first=3 ;;\n";
    write_values(values, *command);
    write_flags(flags, *command);
  }
  flags << "    help) words='" << join(names, " ") << "' ;;\n";
  return R"(# Completion of unlazy for bash. For this shell: source <(unlazy completion bash)
# For all: unlazy completion bash > ~/.local/share/bash-completion/completions/unlazy
_unlazy() {
  local current=${COMP_WORDS[COMP_CWORD]} flag=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}
  local assigned= values= list= before= files= flags= words= first=2
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W ')" +
         join(names, " ") + R"( --help --version' -- "$current"))
    return
  fi
  # A command below another one: first is where its own words begin.
  [ "$COMP_CWORD" -eq 2 ] || case "$command ${COMP_WORDS[2]}" in
)" + below.str() +
         R"(  esac
  # bash splits --flag=value into three words.
  if [ "$current" = = ]; then
    assigned=1 current=
  elif [ "$flag" = = ]; then
    assigned=1 flag=${COMP_WORDS[COMP_CWORD-2]}
  fi
  case "$command $flag" in
    *" --config") files=1 ;;
)" + values.str() +
         R"(  esac
  case $command in
)" + flags.str() +
         R"(  esac
  [ "$COMP_CWORD" -eq "$first" ] || words=
  if [ -n "$values" ]; then
    # Of a list the last name is completed; a colon begins a setting of it.
    [ -z "$list" ] || [ "${current%,*}" = "$current" ] || before=${current%,*},
    COMPREPLY=($(compgen -P "$before" -W "$values" -- "${current#"$before"}"))
  elif [ -n "$files" ]; then
    COMPREPLY=($(compgen -f -- "$current"))
    compopt -o filenames 2>/dev/null
  elif [ -z "$current" ] && [ -n "$words" ]; then
    COMPREPLY=($(compgen -W "$words $flags )" +
         std::string(kCommonFlags) + R"("))
  elif [[ $current == -* || -z $current ]]; then
    COMPREPLY=($(compgen -W "$flags )" +
         std::string(kCommonFlags) + R"(" -- "$current"))
  elif [ -n "$words" ]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  else
    COMPREPLY=($(compgen -f -- "$current"))
    compopt -o filenames 2>/dev/null
  fi
}
complete -F _unlazy unlazy
)";
}

class Completion : public Command {
 public:
  Options& options() override { return options_; }
  bool runs_networks() const override { return false; }
  std::string usage() const override { return "bash"; }
  std::vector<std::string> first_words() const override { return {"bash"}; }
  std::string description() const override {
    return "Prints a script that completes commands, flags and their values:\n\n"
           "  source <(unlazy completion bash)";
  }
  int run(const std::vector<std::string>& words) override {
    UNLAZY_CHECK_USAGE(words == std::vector<std::string>{"bash"},
                       "completion: knows bash only; write unlazy completion bash");
    std::cout << bash_script();
    return 0;
  }

 private:
  Options options_{"completion", {}};
};

}  // namespace

std::unique_ptr<Command> make_completion() { return std::make_unique<Completion>(); }

}  // namespace unlazy::tools
