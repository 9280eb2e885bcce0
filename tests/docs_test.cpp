// What the documents and help texts say is what the program does: option tables, examples, presets.
// After a change of options: UNLAZY_UPDATE=1 build/unlazy_tests --gtest_filter='Docs.*'
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "command.h"
#include "core/files.h"

namespace unlazy::tools {
namespace {

namespace fs = std::filesystem;
const std::string kRoot = UNLAZY_SOURCE_DIR;

// Examples name files relative to the source folder.
class InSourceFolder {
 public:
  InSourceFolder() : before_(fs::current_path()) { fs::current_path(kRoot); }
  ~InSourceFolder() { fs::current_path(before_); }

 private:
  fs::path before_;
};

std::string options_page() {
  std::ostringstream out;
  out << "# Options\n\nAll options of all commands, made from the tables that the program itself "
         "reads. A test compares; after a "
         "change:\n`UNLAZY_UPDATE=1 build/unlazy_tests --gtest_filter='Docs.*'`\n\n"
         "Every command also takes `--config FILE` (options from a JSON file; flags win), "
         "`--print-config`, `--help`, `--help SECTION` and `--help-all`.\n";
  const auto train = commands().find("train").make();
  for (const auto& [name, help, command] : all_commands()) {
    // A sweep has the options of the command that it runs.
    constexpr std::string_view kSweep = "sweep ";
    const auto below = name.starts_with(kSweep) ? name.substr(kSweep.size()) : std::string();
    const auto known = below.empty() || below == "status" || below == "point"
                           ? nullptr
                           : commands().find(below).make();
    const auto* options = known ? &known->options() : &train->options();
    out << "\n## unlazy " << name << "\n\n`unlazy " << name << " " << command->usage()
        << "`: " << help << "\n\n"
        << command->options().markdown(name == "train" ? nullptr : options);
  }
  std::string page = out.str();
  while (page.ends_with("\n\n")) page.pop_back();
  return page;
}

TEST(Docs, OptionsPageIsUpToDate) {
  const std::string path = kRoot + "/tools/OPTIONS.md";
  if (std::getenv("UNLAZY_UPDATE") != nullptr) write_file(path, options_page());
  EXPECT_EQ(read_file(path), options_page())
      << "run UNLAZY_UPDATE=1 build/unlazy_tests --gtest_filter='Docs.*'";
}

TEST(Docs, EveryOptionIsExplained) {
  for (const auto& [name, help, command] : all_commands()) {
    EXPECT_EQ(command->options().command(), name);
    EXPECT_FALSE(help.empty()) << name;
    EXPECT_NE(command->description(), "") << name;
    for (const auto& table : command->options().tables()) {
      EXPECT_FALSE(table.title().empty()) << name;
      for (const auto& row : table.rows()) {
        EXPECT_TRUE(row.help.ends_with(".")) << name << " --" << row.name << ": " << row.help;
        EXPECT_EQ(row.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-"),
                  std::string::npos)
            << row.name;
        for (const auto& choice : row.choices)
          EXPECT_FALSE(choice.help.empty()) << row.name << " " << choice.name;
      }
    }
  }
}

// Splits as a shell does, without expanding anything: blanks, '..', "..", \, # to the end.
std::vector<std::string> shell_words(const std::string& line) {
  std::vector<std::string> words;
  std::string word;
  bool is_open = false;
  char quote = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote != 0) {
      if (c == quote)
        quote = 0;
      else
        word += c;
    } else if (c == '\'' || c == '"') {
      quote = c;
      is_open = true;
    } else if (c == ' ' || (c == '#' && !is_open)) {
      if (is_open) words.push_back(std::exchange(word, ""));
      is_open = false;
      if (c == '#') break;
    } else {
      if (c == '\\' && i + 1 < line.size()) ++i;
      word += line[i];
      is_open = true;
    }
  }
  if (is_open) words.push_back(word);
  return words;
}

// Does the program take these words? Files that a reader's own run would have made need not be
// there.
void expect_taken(const std::string& line, const std::string& place) {
  SCOPED_TRACE(place + ": " + line);
  const InSourceFolder inside;
  auto words = shell_words(line);
  for (const char* end : {"|", ">", "&&", "&", ";", "2>&1"}) {
    words.erase(std::find(words.begin(), words.end(), end), words.end());
  }
  words.erase(words.begin());  // unlazy
  for (auto& word : words)
    word = std::regex_replace(word, std::regex("\\$\\w+"), "0");  // of a loop over numbers
  if (!words.empty() && words[0] == "help") words.erase(words.begin());
  if (words.empty() || words[0].starts_with("--") || words[0] == "COMMAND") return;
  try {
    const auto command = take_command(words);
    if (const auto help = std::find(words.begin(), words.end(), "--help"); help != words.end())
      words.erase(help, words.end());
    std::erase(words, "--print-config");
    for (size_t i = 0; i + 1 < words.size(); ++i) {
      if (words[i] == "--config" && words[i + 1].rfind("runs/", 0) == 0)
        words.erase(words.begin() + i, words.begin() + i + 2);
    }
    const auto rest = command->options().parse(words);
    const auto known = command->first_words();
    if (!known.empty() && command->options().command() != "bench") {
      ASSERT_FALSE(rest.empty());
      EXPECT_NE(std::find(known.begin(), known.end(), rest[0]), known.end())
          << suggest(rest[0], known);
    }
  } catch (const Error& error) {
    ADD_FAILURE() << error.what();
  }
}

// The pages: Markdown files of the project, relative to its folder.
std::vector<std::string> pages() {
  std::vector<std::string> list;
  const auto add = [&](const fs::directory_entry& entry) {
    if (entry.path().extension() == ".md")
      list.push_back(fs::relative(entry.path(), kRoot).string());
  };
  for (const auto& entry : fs::directory_iterator(kRoot)) add(entry);
  for (const char* folder : {"src", "models", "data", "tools"}) {
    for (const auto& entry : fs::recursive_directory_iterator(kRoot + "/" + folder)) add(entry);
  }
  std::sort(list.begin(), list.end());
  return list;
}

// A page's lines: those of fenced blocks with the language of their block, the others with "".
struct PageLine {
  std::string text, language;
};

std::vector<PageLine> lines_of(const std::string& page) {
  std::vector<PageLine> list;
  std::istringstream in(read_file(kRoot + "/" + page));
  bool is_block = false;
  std::string language;
  for (std::string line, more; std::getline(in, line);) {
    if (line.starts_with("```")) {
      is_block = !is_block;
      language = is_block ? (line.size() > 3 ? line.substr(3) : "text") : "";
      continue;
    }
    while (is_block && line.ends_with("\\") && std::getline(in, more))
      line.replace(line.size() - 1, 1, more);
    list.push_back({line, language});
  }
  return list;
}

bool is_call(const std::string& line) {
  return line.starts_with("unlazy ") || line.starts_with("build/unlazy ");
}

// Calls of the program on a page: lines of shell blocks, and `code` in the text that has flags.
std::vector<std::string> calls_of(const std::string& page) {
  std::vector<std::string> calls;
  for (const auto& [text, language] : lines_of(page)) {
    if (language == "sh" || language == "bash" || language == "console") {
      const auto call = text.substr(std::min(text.size(), text.find_first_not_of("$ ")));
      if (is_call(call)) calls.push_back(call);
    } else if (language.empty()) {
      const std::regex code("`([^`]+)`");
      for (std::sregex_iterator match(text.begin(), text.end(), code), end; match != end; ++match) {
        const std::string call = (*match)[1];
        if (is_call(call) && call.find(" --") != std::string::npos) calls.push_back(call);
      }
    }
  }
  return calls;
}

TEST(Docs, ExamplesOfTheDocumentsAreTaken) {
  size_t count = 0;
  for (const auto& page : pages()) {
    // Made from the tables; about what earlier versions had.
    if (page == "tools/OPTIONS.md" || page == "CHANGELOG.md") continue;
    for (const auto& call : calls_of(page)) {
      expect_taken(call, page);
      ++count;
    }
  }
  EXPECT_GE(count, 30u);
}

// The targets of [text](target) outside of code.
std::vector<std::string> links_of(const std::string& page) {
  std::vector<std::string> links;
  for (const auto& [text, language] : lines_of(page)) {
    if (!language.empty()) continue;
    const auto plain = std::regex_replace(text, std::regex("`[^`]*`"), "");
    const std::regex link("\\]\\(([^)\\s]+)\\)");
    for (std::sregex_iterator match(plain.begin(), plain.end(), link), end; match != end; ++match)
      links.push_back((*match)[1]);
  }
  return links;
}

// The anchors of a page's headings, as GitHub makes them: lower case, blanks to -, no other signs.
std::vector<std::string> anchors_of(const std::string& page) {
  std::vector<std::string> anchors;
  for (const auto& [text, language] : lines_of(page)) {
    if (!language.empty() || !text.starts_with("#")) continue;
    std::string anchor;
    for (const char c : text.substr(std::min(text.size(), text.find_first_not_of("# ")))) {
      if (c == ' ' || c == '-') anchor += '-';
      if (std::isalnum(static_cast<unsigned char>(c)) || c == '_')
        anchor += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    anchors.push_back(anchor);
  }
  return anchors;
}

bool is_elsewhere(const std::string& link) { return link.find("://") != std::string::npos; }

// The file that a link of a page leads to, relative to the project's folder.
std::string target_of(const std::string& page, const std::string& link) {
  const auto path = link.substr(0, link.find('#'));
  if (path.empty()) return page;
  return (fs::path(page).parent_path() / path).lexically_normal().string();
}

TEST(Docs, NoLinkIsDead) {
  size_t count = 0;
  for (const auto& page : pages()) {
    for (const auto& link : links_of(page)) {
      if (is_elsewhere(link)) continue;
      const auto target = target_of(page, link);
      EXPECT_TRUE(fs::exists(kRoot + "/" + target)) << page << " links " << link;
      if (const auto mark = link.find('#'); mark != std::string::npos) {
        const auto anchors = anchors_of(target);
        EXPECT_NE(std::find(anchors.begin(), anchors.end(), link.substr(mark + 1)), anchors.end())
            << page << " links " << link << ": no such heading";
      }
      ++count;
    }
  }
  EXPECT_GE(count, 20u);
}

TEST(Docs, EveryPageIsLinkedFromTheFrontPage) {
  std::vector<std::string> linked = {"README.md"};
  for (const auto& link : links_of("README.md"))
    if (!is_elsewhere(link)) linked.push_back(target_of("README.md", link));
  for (const auto& page : pages()) {
    EXPECT_NE(std::find(linked.begin(), linked.end(), page), linked.end())
        << "README.md does not link " << page;
  }
}

// In descriptions an example is a line "  unlazy ..", perhaps with a remark after three blanks.
TEST(Docs, ExamplesOfTheHelpTextsAreTaken) {
  for (const auto& [name, help, command] : all_commands()) {
    std::istringstream in(command->description());
    for (std::string line; std::getline(in, line);) {
      if (line.rfind("  unlazy ", 0) != 0) continue;
      line.erase(0, 2);
      expect_taken(line.substr(0, line.find("   ")), "unlazy " + name + " --help");
    }
  }
}

TEST(Docs, PresetsAreTaken) {
  const InSourceFolder inside;
  for (const auto& entry : fs::directory_iterator(kRoot + "/tools/presets")) {
    if (entry.path().extension() != ".json") continue;
    SCOPED_TRACE(entry.path().string());
    const auto config = read_json_file(entry.path().string());
    ASSERT_TRUE(config.contains("command"));
    const auto command = commands().find(config["command"].get<std::string>()).make();
    EXPECT_NO_THROW(command->options().read_file(entry.path().string()));
  }
}

// What a first day needs fits on a screen or two.
TEST(Docs, TheShortHelpOfTrainIsShort) {
  const auto train = commands().find("train").make();
  int count = 0;
  for (const auto& table : train->options().tables()) {
    for (const auto& row : table.rows()) count += row.is_common ? 1 : 0;
  }
  EXPECT_TRUE(count >= 20 && count <= 25) << count;
  const auto text = train->options().help();
  EXPECT_LT(std::count(text.begin(), text.end(), '\n'), 80);
  // Each measurement is named once.
  const auto first = text.find("lazy-distance");
  EXPECT_EQ(text.find("lazy-distance", first + 1), std::string::npos);
}

TEST(Docs, TheHelpOfMeasureHasTheCostOfEachOnce) {
  const auto measure = commands().find("measure").make();
  const auto text = measure->description() + measure->options().help();
  const auto first = text.find("hessian-density");
  EXPECT_EQ(text.find("  hessian-density", first + 1), std::string::npos) << text;
  EXPECT_NE(text.find("costs 15 gradients"), std::string::npos) << text;
}

// Rows of train stand in its own section only; each benchmark has a section.
TEST(Docs, OptionsPageRepeatsNothing) {
  const auto page = options_page();
  size_t count = 0;
  for (size_t at = 0; (at = page.find("| `--lr-gamma` |", at)) != std::string::npos; ++at) ++count;
  EXPECT_EQ(count, 1u);
  for (const auto& [name, help, command] : all_commands())
    EXPECT_NE(page.find("\n## unlazy " + name + "\n"), std::string::npos) << name;
  EXPECT_NE(page.find("\n## unlazy bench train\n"), std::string::npos);
}

TEST(Docs, ShellWordsAreSplitAsAShellDoes) {
  EXPECT_EQ(shell_words("unlazy train  --out 'a b' \"c\"d e\\ f # g"),
            (std::vector<std::string>{"unlazy", "train", "--out", "a b", "cd", "e f"}));
  EXPECT_EQ(shell_words("a '' #b"), (std::vector<std::string>{"a", ""}));
}

}  // namespace
}  // namespace unlazy::tools
