#include "command.h"

#include <utility>

#include "core/error.h"
#include "core/names.h"
#include "core/paths.h"

namespace unlazy::tools {

Option preset_option(std::string& preset, const std::string& command) {
  return {.name = "preset",
          .target = &preset,
          .help = "Settings of a figure of the paper, read before --config and flags.",
          .choices = presets(command),
          .role = Role::kRequest,
          .is_common = true};
}

std::vector<std::string> parse_with_preset(Options& options, const std::string& preset,
                                           const std::vector<std::string>& arguments) {
  auto words = options.parse(arguments);
  if (preset.empty()) return words;
  options.read_file(find_preset(preset, options.command()));
  return options.parse(arguments);  // what was given wins over the preset
}

std::string changed_settings(const Options& options) {
  std::string text;
  for (const auto& table : options.tables()) {
    for (const auto& row : table.rows()) {
      const bool is_setting = row.role == Role::kSetting || row.role == Role::kCurve;
      if (is_setting && value_text(row) != row.default_text)
        text += "-" + row.name + "=" + value_text(row);
    }
  }
  return text;
}

void refuse_words(const std::string& command, const std::vector<std::string>& words) {
  UNLAZY_CHECK_USAGE(words.empty(), command, ": does not know what to do with '", words[0],
                     "'; see unlazy ", command, " --help");
}

std::vector<std::string> Command::first_words() const {
  std::vector<std::string> names;
  if (const auto* below = subcommands()) {
    for (const auto& entry : below->entries()) names.push_back(entry.name);
  }
  return names;
}

std::unique_ptr<Command> take_command(std::vector<std::string>& words) {
  const auto take = [&](const Registry<MakeCommand>& registry) {
    auto command = registry.find(words.at(0)).make();
    words.erase(words.begin());
    return command;
  };
  auto command = take(commands());
  const auto* below = command->subcommands();
  return below != nullptr && !words.empty() && !words[0].starts_with('-') ? take(*below)
                                                                          : std::move(command);
}

std::vector<NamedCommand> all_commands() {
  std::vector<NamedCommand> list;
  for (const auto& entry : commands().entries()) {
    auto command = entry.make();
    const auto* below = command->subcommands();
    list.push_back({entry.name, entry.help, std::move(command)});
    if (below == nullptr) continue;
    for (const auto& sub : below->entries())
      list.push_back({entry.name + " " + sub.name, sub.help, sub.make()});
  }
  return list;
}

}  // namespace unlazy::tools
