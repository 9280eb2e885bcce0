#include "core/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cxxopts.hpp>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <type_traits>

#include "core/error.h"
#include "core/files.h"
#include "core/format.h"
#include "core/json.h"
#include "core/option_rows.h"

namespace unlazy {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
inline constexpr bool kIsList = false;
template <class T>
inline constexpr bool kIsList<std::vector<T>> = true;

std::string in_quotes(std::string_view text) { return "'" + std::string(text) + "'"; }

// "a,b," has three words, the last one empty; the empty text has none.
std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> words;
  if (text.empty()) return words;
  size_t begin = 0;
  for (size_t end; (end = text.find(separator, begin)) != std::string::npos; begin = end + 1) {
    words.push_back(text.substr(begin, end - begin));
  }
  words.push_back(text.substr(begin));
  return words;
}

bool is_utf8(const std::string& text) {
  try {
    static_cast<void>(Json(text).dump());
    return true;
  } catch (const Json::type_error&) {
    return false;
  }
}

// One entry: text or JSON to value, with the checks that its row asks for.

void check_range(const Option& option, double value, const std::string& text) {
  UNLAZY_CHECK_USAGE(option.range.contains(value), "--", option.name, " must be ",
                     option.range.text(), ", got ", text);
}

template <class Number>
Number number_from(const Option& option, const std::string& text, const char* wanted) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  UNLAZY_CHECK_USAGE(error == std::errc{} && end == text.data() + text.size(), "--", option.name,
                     " must be ", wanted, ", got ", in_quotes(text));
  check_range(option, static_cast<double>(value), text);
  UNLAZY_CHECK_USAGE(option.range.is_any() || std::isfinite(static_cast<double>(value)), "--",
                     option.name, " must be a finite number, got ", text);
  return value;
}

void entry_from_text(const Option& option, const std::string& text, bool& value) {
  UNLAZY_CHECK_USAGE(text == "true" || text == "false", "--", option.name,
                     " must be true or false, got ", in_quotes(text));
  value = text == "true";
}
void entry_from_text(const Option& option, const std::string& text, int64_t& value) {
  value = number_from<int64_t>(option, text, "a whole number");
}
void entry_from_text(const Option& option, const std::string& text, double& value) {
  value = number_from<double>(option, text, "a number");
}
void entry_from_text(const Option& option, const std::string& text, Step& value) {
  const Step step = Step::parse(text, "--" + option.name);
  check_range(option, step.count(), text);
  value = step;
}
// The name of a choice as it is written in its registry, in place of the one that was given.
std::string with_own_name(const Option& option, const std::string& text) {
  std::vector<std::string> known;
  for (const auto& choice : option.choices) known.push_back(choice.name);
  // Nothing chosen is a choice where it is the default.
  if (known.empty() || (text.empty() && option.default_text.empty())) return text;
  const auto word = option.has_settings ? text.substr(0, text.find(':')) : text;
  const auto name = same_name(word, known);
  UNLAZY_CHECK_USAGE(name.has_value(), "--", option.name, ": there is no ", in_quotes(word), "; ",
                     suggest(word, known));
  return *name + text.substr(word.size());
}
void entry_from_text(const Option& option, const std::string& text, std::string& value) {
  const auto named = with_own_name(option, text);
  UNLAZY_CHECK_USAGE(is_utf8(named), "--", option.name, " must be UTF-8 text, got ",
                     in_quotes(named));
  value = named;
}
template <class T>
void entry_from_text(const Option& option, const std::string& text, std::vector<T>& value) {
  value.clear();
  for (const auto& word : split(text, ',')) {
    T entry{};
    entry_from_text(option, word, entry);
    value.push_back(std::move(entry));
  }
}

std::string entry_text(bool value) { return value ? "true" : "false"; }
std::string entry_text(int64_t value) { return std::to_string(value); }
std::string entry_text(double value) { return number_text(value); }
std::string entry_text(const Step& value) { return value.text(); }
std::string entry_text(const std::string& value) { return value; }
template <class T>
std::string entry_text(const std::vector<T>& list) {
  std::vector<std::string> words;
  for (const auto& entry : list) words.push_back(entry_text(entry));
  return join(words, ",");
}

template <class T>
Json entry_json(const T& value) {
  if constexpr (std::is_same_v<T, Step>) {
    return value.text();
  } else if constexpr (kIsList<T>) {
    Json list = Json::array();
    for (const auto& entry : value) list.push_back(entry_json(entry));
    return list;
  } else if constexpr (std::is_same_v<T, double>) {
    return std::isfinite(value) ? Json(value)
                                : Json(number_text(value));  // JSON has no word for infinity
  } else {
    return value;
  }
}

bool is_infinity(const Json& json) { return json == "inf" || json == "-inf"; }

// JSON is read by way of its text, so that a file and a flag pass through the same checks. Only the
// type is checked here: a string for a number, or the other way round, is refused.
template <class T>
std::string json_entry_text(const Option& option, const Json& json) {
  constexpr bool kIsText = std::is_same_v<T, std::string> || std::is_same_v<T, Step>;
  const bool is_right = kIsText                      ? json.is_string()
                        : std::is_same_v<T, bool>    ? json.is_boolean()
                        : std::is_same_v<T, int64_t> ? json.is_number_integer()
                                                     : json.is_number() || is_infinity(json);
  UNLAZY_CHECK_USAGE(is_right, "\"", option.name, "\" must be ",
                     kIsText                      ? "a string"
                     : std::is_same_v<T, bool>    ? "true or false"
                     : std::is_same_v<T, int64_t> ? "a whole number"
                                                  : "a number",
                     ", got ", json.dump());
  if constexpr (kIsText) {
    return json.get<std::string>();
  } else if constexpr (std::is_same_v<T, double>) {
    return json.is_string() ? json.get<std::string>() : number_text(json.get<double>());
  } else {
    return json.dump();
  }
}

template <class T>
void value_from_json(const Option& option, const Json& json, T& value) {
  if constexpr (kIsList<T>) {
    UNLAZY_CHECK_USAGE(json.is_array(), "\"", option.name, "\" must be an array, got ",
                       json.dump());
    value.clear();
    for (const auto& item : json) {
      typename T::value_type entry{};
      entry_from_text(option, json_entry_text<typename T::value_type>(option, item), entry);
      value.push_back(std::move(entry));
    }
  } else {
    entry_from_text(option, json_entry_text<T>(option, json), value);
  }
}

}  // namespace

bool Range::contains(double value) const {
  return (is_low_open ? value > low : value >= low) &&
         (is_high_open ? value < high : value <= high);
}

bool Range::is_any() const { return std::isinf(low) && std::isinf(high); }

std::string Range::text() const {
  if (is_any()) return "a number";
  if (!std::isinf(low) && !std::isinf(high)) {
    return std::string("in ") + (is_low_open ? "(" : "[") + number_text(low) + ", " +
           number_text(high) + (is_high_open ? ")" : "]");
  }
  if (!std::isinf(low)) return (is_low_open ? "> " : ">= ") + number_text(low);
  return "<= " + number_text(high);
}

OptionTable::OptionTable(std::string title, std::vector<Option> rows)
    : title_(std::move(title)), rows_(std::move(rows)) {
  for (auto& row : rows_) row.default_text = value_text(row);
}

bool is_switch(const Option& option) { return std::holds_alternative<bool*>(option.target); }

std::string value_text(const Option& option) {
  return std::visit([](const auto* target) { return entry_text(*target); }, option.target);
}

Options::Options(std::string command, std::vector<OptionTable> tables)
    : command_(std::move(command)), tables_(std::move(tables)) {
  std::set<std::string> seen(kCommonFlags.begin(), kCommonFlags.end());
  for (const auto& name : names()) {
    if (!seen.insert(name).second)
      throw std::logic_error("option --" + name + " stands in two tables");
    if (name.size() < 2) throw std::logic_error("option --" + name + ": needs a longer name");
  }
}

const Option* find_row(const std::vector<OptionTable>& tables, std::string_view name) {
  for (const auto& table : tables) {
    for (const auto& row : table.rows()) {
      if (row.name == name) return &row;
    }
  }
  return nullptr;
}

const Option* Options::find(std::string_view name) const { return find_row(tables_, name); }

std::vector<std::string> Options::names() const {
  std::vector<std::string> list;
  for (const auto& table : tables_) {
    for (const auto& row : table.rows()) list.push_back(row.name);
  }
  return list;
}

void Options::assign_text(const Option& option, const std::string& text) {
  std::visit([&](auto* target) { entry_from_text(option, text, *target); }, option.target);
  given_.push_back(option.name);
}

// What Options holds, put back unless dismissed.
class Options::Undo {
 public:
  explicit Undo(Options& options)
      : options_(options), given_(options.given_), flags_(options.flags_) {
    for (const auto& table : options.tables_) {
      for (const auto& row : table.rows())
        std::visit([&](auto* target) { keep(target); }, row.target);
    }
  }
  ~Undo() {
    if (is_dismissed_) return;
    for (const auto& restore : restore_) restore();
    options_.given_ = given_;
    options_.flags_ = flags_;
  }
  Undo(const Undo&) = delete;
  Undo& operator=(const Undo&) = delete;
  void dismiss() { is_dismissed_ = true; }

 private:
  template <class T>
  void keep(T* target) {
    restore_.push_back([target, value = *target] { *target = value; });
  }
  Options& options_;
  std::vector<std::string> given_, flags_;
  std::vector<std::function<void()>> restore_;
  bool is_dismissed_ = false;
};

std::vector<std::string> Options::parse(const std::vector<std::string>& arguments) {
  check_flags(arguments);
  const auto complete = with_values(arguments);
  cxxopts::Options parser("unlazy " + command_);
  auto add = parser.allow_unrecognised_options().add_options();
  add("config", "", cxxopts::value<std::string>());
  for (const auto& name : names()) {
    auto value = cxxopts::value<std::string>();
    if (is_switch(*find(name))) value->implicit_value("true");
    add(name, "", value);
  }
  std::vector<const char*> argv = {"unlazy"};
  for (const auto& argument : complete) argv.push_back(argument.c_str());
  const auto result = parser.parse(static_cast<int>(argv.size()), argv.data());

  Undo undo(*this);
  for (const auto& pair : result.arguments()) {
    if (pair.key() != "config") continue;
    const auto before = given_.size();
    read_file(pair.value());
    in_config_files_.insert(in_config_files_.end(),
                            given_.begin() + static_cast<std::ptrdiff_t>(before), given_.end());
  }
  for (const auto& pair : result.arguments()) {
    if (pair.key() == "config") continue;
    assign_text(*find(pair.key()), pair.value());
    flags_.push_back(pair.key());
  }
  // Words are names of runs and folders; what is written about them is JSON.
  for (const auto& word : result.unmatched())
    UNLAZY_CHECK_USAGE(is_utf8(word), command_, ": a name must be UTF-8 text, got ",
                       in_quotes(word), "; rename the file or folder");
  undo.dismiss();
  return result.unmatched();
}

void Options::read_json(const Json& config, std::string_view source) {
  UNLAZY_CHECK_USAGE(config.is_object(), source, ": must be a JSON object");
  const auto version = config.value("config-version", Json(kConfigVersion));
  UNLAZY_CHECK_USAGE(version.is_number_integer() && version.get<int64_t>() >= 1, source,
                     ": \"config-version\" must be a whole number >= 1, got ", version.dump());
  UNLAZY_CHECK_USAGE(version.get<int64_t>() <= kConfigVersion, source, ": has config-version ",
                     version.dump(), ", but this unlazy reads versions up to ", kConfigVersion,
                     "; use a newer unlazy");
  Undo undo(*this);
  for (const auto& item : config.items()) {
    const std::string& key = item.key();
    const Json& value = item.value();
    if (key == "config-version" || key == "about") continue;
    if (key == "command") {
      UNLAZY_CHECK_USAGE(value == command_, source, ": is for unlazy ",
                         value.is_string() ? value.get<std::string>() : value.dump(),
                         ", not for unlazy ", command_);
      continue;
    }
    const Option* option = find(key);
    UNLAZY_CHECK_USAGE(option != nullptr, source, ": there is no option \"", key, "\"; ",
                       hint(key, /*is_flag=*/false));
    try {
      std::visit([&](auto* target) { value_from_json(*option, value, *target); }, option->target);
    } catch (const Error& error) {
      throw Error(std::string(source) + ": " + error.what(), Error::Kind::kMisuse);
    }
    given_.push_back(key);
  }
  undo.dismiss();
}

void Options::read_file(const std::string& path) { read_json(read_json_file(path), path); }

Json Options::to_json() const {
  Json config;
  config["config-version"] = kConfigVersion;
  config["command"] = command_;
  for (const auto& table : tables_) {
    for (const auto& row : table.rows()) {
      config[row.name] =
          std::visit([](const auto* target) { return entry_json(*target); }, row.target);
    }
  }
  return config;
}

Role Options::role(std::string_view name) const {
  const Option* option = find(name);
  if (option == nullptr) throw std::logic_error("there is no option --" + std::string(name));
  return option->role;
}

bool Options::is_given(std::string_view name) const {
  return std::find(given_.begin(), given_.end(), name) != given_.end();
}

Json read_json_file(const std::string& path) {
  std::string text;
  try {
    text = unlazy::read_file(path);
  } catch (const Error& error) {
    throw Error(std::string(error.what()) + "; is the path right?", Error::Kind::kMisuse);
  }
  // What "about" holds is not read.
  const auto refuse_doubled = [&](size_t depth, const std::string& key) {
    UNLAZY_CHECK_USAGE(depth > 1, path, ": \"", key, "\" stands there twice");
  };
  const auto refuse_deep = [&] {
    UNLAZY_CHECK_USAGE(false, path, ": is nested more than ", kMaxJsonDepth,
                       " deep; a file of this program never is");
  };
  try {
    return parse_json<Json>(text, {refuse_doubled, refuse_deep});
  } catch (const Json::parse_error& error) {
    const std::string before = text.substr(0, error.byte == 0 ? 0 : error.byte - 1);
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const auto column = before.size() - (before.rfind('\n') + 1) + 1;
    throw Error(internal::concat(path, ": not valid JSON at line ", line, ", column ", column,
                                 "; look for a missing or extra comma, quote or bracket there"),
                Error::Kind::kMisuse);
  }
}

}  // namespace unlazy
