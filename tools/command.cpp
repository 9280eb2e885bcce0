#include "command.h"

#include <sstream>

#include "core/error.h"

namespace unlazy::tools {

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
