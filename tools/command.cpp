#include "command.h"

#include <sstream>

#include "core/error.h"
#include "core/names.h"
#include "core/paths.h"

namespace unlazy::tools {

Option preset_option(std::string& preset, const std::string& command) {
  return {.name = "preset",
          .target = &preset,
          .help = "Settings of a figure of the paper, read before --config and flags: " +
                  join(preset_names(command)) + ".",
          .role = Role::kRequest};
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

std::vector<std::string> subcommands(const Command& command) {
  const std::string usage = command.usage();
  const std::string first = usage.substr(0, usage.find(' '));
  std::vector<std::string> words;
  if (first.find('|') == std::string::npos) return words;
  std::istringstream in(first);
  for (std::string word; std::getline(in, word, '|');) words.push_back(word);
  return words;
}

}  // namespace unlazy::tools
