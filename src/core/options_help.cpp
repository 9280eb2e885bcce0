// Options as a person reads them: --help and the Markdown tables of the docs.
#include <sstream>

#include "core/options.h"

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

// "[0.1] in [0, 1], images"
std::string facts(const Option& option) {
  std::string text = option.help;
  if (!option.choices.empty()) {
    std::vector<std::string> names;
    for (const auto& choice : option.choices) names.push_back(choice.name);
    text += " One of: " + join(names) + ".";
  }
  std::vector<std::string> notes;
  if (!option.range.is_any()) notes.push_back(option.range.text());
  if (!option.unit.empty()) notes.push_back(option.unit);
  if (!option.only_for.empty()) notes.push_back("only with " + only_for_text(option));
  if (!option.default_text.empty()) notes.push_back("default " + option.default_text);
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

}  // namespace

std::string Options::help() const {
  constexpr size_t kIndent = 30, kWidth = 110;
  std::ostringstream out;
  for (const auto& table : tables_) {
    out << "\n" << table.title() << "\n";
    for (const auto& row : table.rows()) {
      const std::string flag = "  --" + row.name + " " + value_name(row) + "  ";
      out << flag;
      if (flag.size() > kIndent) out << "\n" << std::string(kIndent, ' ');
      if (flag.size() < kIndent) out << std::string(kIndent - flag.size(), ' ');
      out << wrapped(facts(row), kIndent, kWidth) << "\n";
    }
  }
  return out.str();
}

std::string Options::markdown() const {
  std::ostringstream out;
  for (const auto& table : tables_) {
    out << "### " << table.title()
        << "\n\n| flag | meaning | range | default |\n| --- | --- | --- | --- |\n";
    for (const auto& row : table.rows()) {
      out << "| `--" << row.name << "` | " << cell(row.help);
      for (const auto& choice : row.choices)
        out << "<br>`" << choice.name << "`: " << cell(choice.help);
      std::string range = row.range.is_any() ? "" : row.range.text();
      if (!row.unit.empty()) range += (range.empty() ? "" : ", ") + row.unit;
      if (!row.only_for.empty())
        range += (range.empty() ? "" : "; ") + ("only with " + only_for_text(row));
      out << " | " << range << " | "
          << (row.default_text.empty() ? "" : "`" + cell(row.default_text) + "`") << " |\n";
    }
    out << "\n";
  }
  return out.str();
}

}  // namespace unlazy
