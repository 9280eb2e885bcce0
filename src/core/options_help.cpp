// Options as a person reads them: --help and the Markdown tables of the docs.
#include <algorithm>
#include <cctype>
#include <functional>
#include <sstream>

#include "core/error.h"
#include "core/option_rows.h"

namespace unlazy {
namespace {

std::string value_name(const Option& option) {
  struct Name {
    std::string operator()(bool*) const { return ""; }
    std::string operator()(int64_t*) const { return "N"; }
    std::string operator()(double*) const { return "X"; }
    std::string operator()(std::string*) const { return "TEXT"; }
    std::string operator()(Step*) const { return "LENGTH"; }
    std::string operator()(std::vector<int64_t>*) const { return "N,N,.."; }
    std::string operator()(std::vector<double>*) const { return "X,X,.."; }
    std::string operator()(std::vector<std::string>*) const { return "TEXT,.."; }
    std::string operator()(std::vector<Step>*) const { return "LENGTH,.."; }
  };
  if (!option.choices.empty()) return "NAME";
  return std::visit(Name{}, option.target);
}

std::string names_of(const std::vector<Choice>& choices) {
  std::vector<std::string> names;
  for (const auto& choice : choices) names.push_back(choice.name);
  return join(names);
}

// "Batch size. (>= 1; images; default 128)"; the choices only by their names, if at all.
std::string facts(const Option& option, bool has_choices) {
  std::string text = option.help;
  if (has_choices && !option.choices.empty()) text += " One of: " + names_of(option.choices) + ".";
  std::vector<std::string> notes;
  if (!option.range.is_any()) notes.push_back(option.range.text());
  if (!option.unit.empty()) notes.push_back(option.unit);
  if (!option.only_for.empty()) notes.push_back("only with " + only_for_text(option));
  if (!option.default_text.empty()) notes.push_back("default " + option.default_text);
  if (!option.alone.empty()) notes.push_back("alone: " + option.alone);
  if (is_switch(option) && option.default_text == "true")
    notes.push_back("--" + option.name + "=false turns it off");
  if (!notes.empty()) text += " (" + join(notes, "; ") + ")";
  return text;
}

// A bar would end the cell of a Markdown table.
std::string cell(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
  return out;
}

std::string wrapped(const std::string& text, size_t indent, size_t width) {
  std::string out;
  size_t column = indent;
  std::istringstream in(text);
  for (std::string word; in >> word;) {
    if (column > indent && column + 1 + word.size() > width) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    }
    if (column > indent) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
  }
  return out;
}

constexpr size_t kIndent = 30, kWidth = 110;

// `first` up to the column `indent`, then `text` in lines of its own from there on.
std::string in_columns(const std::string& first, const std::string& text, size_t indent) {
  const std::string gap = first.size() > indent    ? "\n" + std::string(indent, ' ')
                          : first.size() == indent ? ""
                                                   : std::string(indent - first.size(), ' ');
  return first + gap + wrapped(text, indent, kWidth) + "\n";
}

std::string entry(const Option& row, bool has_sentences) {
  const std::string flag = "  --" + row.name + " " + value_name(row) + "  ";
  std::string text = in_columns(flag, facts(row, !has_sentences), kIndent);
  if (!has_sentences) return text;
  size_t width = 0;
  for (const auto& choice : row.choices) width = std::max(width, choice.name.size());
  const std::string indent(kIndent + 2, ' ');
  for (const auto& choice : row.choices)
    text += in_columns(indent + choice.name + "  ", choice.help, indent.size() + width + 2);
  return text;
}

std::string whole(const OptionTable& table) {
  std::string text = "\n" + table.title() + "\n";
  for (const auto& row : table.rows()) text += entry(row, /*has_sentences=*/true);
  return text;
}

// "Sharpness-aware minimisation (SAM)": sharpness, aware, minimisation, sam.
std::vector<std::string> words_of(const std::string& title) {
  std::vector<std::string> words(1);
  for (const char c : title) {
    const auto letter = static_cast<unsigned char>(c);
    if (std::isalnum(letter)) {
      words.back() += static_cast<char>(std::tolower(letter));
    } else if (!words.back().empty()) {
      words.emplace_back();
    }
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

bool has_word(const OptionTable& table, const std::string& word, bool is_whole) {
  const auto words = words_of(table.title());
  return std::any_of(words.begin(), words.end(), [&](const std::string& other) {
    return is_whole ? other == word : other.starts_with(word);
  });
}

std::string markdown_row(const Option& row) {
  std::string text = "| `--" + row.name + "` | " + cell(row.help);
  for (const auto& choice : row.choices) text += "<br>`" + choice.name + "`: " + cell(choice.help);
  std::string range = row.range.is_any() ? "" : row.range.text();
  if (!row.unit.empty()) range += (range.empty() ? "" : ", ") + row.unit;
  if (!row.only_for.empty())
    range += (range.empty() ? "" : "; ") + ("only with " + only_for_text(row));
  return text + " | " + range + " | " +
         (row.default_text.empty() ? "" : "`" + cell(row.default_text) + "`") + " |\n";
}

constexpr const char* kMarkdownHead =
    "| flag | meaning | range | default |\n| --- | --- | --- | --- |\n";

// Has `known` a table of this title with all of these flags?
bool is_known(const OptionTable& table, const std::vector<OptionTable>& known) {
  return std::any_of(known.begin(), known.end(), [&](const OptionTable& other) {
    return other.title() == table.title() &&
           std::all_of(table.rows().begin(), table.rows().end(),
                       [&](const Option& row) { return find_row({other}, row.name) != nullptr; });
  });
}

}  // namespace

std::string Options::help() const {
  constexpr size_t kFew = 40;  // so many are read in one go
  const auto all = names();
  if (all.size() <= kFew) return help_all();
  std::string text;
  std::vector<std::string> titles;
  for (const auto& table : tables_) {
    titles.push_back(table.title());
    std::string rows;
    for (const auto& row : table.rows()) {
      if (row.is_common) rows += entry(row, /*has_sentences=*/false);
    }
    if (!rows.empty()) text += "\n" + table.title() + "\n" + rows;
  }
  const std::string call = "unlazy " + command_ + " ";
  return text + "\nThese are the common ones of " + std::to_string(all.size()) +
         " options. All of them are in these sections:\n" + in_columns("  ", join(titles), 2) +
         in_columns("  " + call + "--help SECTION",
                    "a section, by a word of its title, such as " + call + "--help " +
                        words_of(titles.front()).front(),
                    kIndent + 6) +
         in_columns("  " + call + "--help-all", "all sections", kIndent + 6);
}

std::string Options::help_all() const {
  std::string text;
  for (const auto& table : tables_) text += whole(table);
  return text;
}

std::string Options::help_of(const std::string& section) const {
  const auto words = words_of(section);
  const std::string word = words.empty() ? "" : words.front();
  const bool is_word = words.size() == 1;
  const auto flag = section.starts_with("--") ? section.substr(2) : section;
  const auto those = [&](const std::function<bool(const OptionTable&)>& is_meant) {
    std::string text;
    for (const auto& table : tables_) text += is_meant(table) ? whole(table) : "";
    return text;
  };
  std::string text = those([&](const OptionTable& table) {
    return is_word && has_word(table, word, /*is_whole=*/true);
  });
  if (text.empty())
    text = those([&](const OptionTable& table) { return find_row({table}, flag) != nullptr; });
  if (text.empty())
    text = those([&](const OptionTable& table) {
      return !word.empty() && has_word(table, word, /*is_whole=*/false);
    });
  std::vector<std::string> titles;
  for (const auto& table : tables_) titles.push_back(table.title());
  UNLAZY_CHECK_USAGE(!text.empty(), command_, ": the options have no section '", section, "'",
                     titles.empty() ? "" : "; the sections are ", join(titles));
  return text;
}

std::string Options::markdown(const Options* known) const {
  std::string text, differing;
  std::vector<std::string> titles;
  for (const auto& table : tables_) {
    if (known != nullptr && is_known(table, known->tables())) {
      titles.push_back(table.title());
      for (const auto& row : table.rows()) {
        const auto line = markdown_row(row);
        if (line != markdown_row(*known->find(row.name))) differing += line;
      }
      continue;
    }
    text += "### " + table.title() + "\n\n" + kMarkdownHead;
    for (const auto& row : table.rows()) text += markdown_row(row);
    text += "\n";
  }
  if (titles.empty()) return text;
  text += "### As `unlazy " + known->command() + "`\n\n" + join(titles) + ": as [unlazy " +
          known->command() + "](#unlazy-" + known->command() + ")" +
          (differing.empty() ? ".\n" : ", but for these rows:\n\n" + (kMarkdownHead + differing)) +
          "\n";
  return text;
}

}  // namespace unlazy
