// Axes as a user writes them, on the command line and in a file.
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/error.h"
#include "core/format.h"
#include "core/names.h"
#include "sweep/grid.h"

namespace unlazy::sweep {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kMostValues = 100000;  // of a range

std::vector<std::string> cut_at(const std::string& text, const std::string& separator) {
  std::vector<std::string> parts;
  size_t begin = 0;
  for (size_t end; (end = text.find(separator, begin)) != std::string::npos;
       begin = end + separator.size())
    parts.push_back(text.substr(begin, end - begin));
  parts.push_back(text.substr(begin));
  return parts;
}

std::optional<double> number_in(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) return {};
  return value;
}

// As a user writes it. number_text() gives 1e+05, which no option of whole numbers takes.
std::string plain_text(double value) {
  constexpr double kMostWhole = 9007199254740992;  // 2^53
  if (value != std::trunc(value) || std::abs(value) >= kMostWhole) return number_text(value);
  return std::to_string(static_cast<int64_t>(value));
}

// a + k step, without the last digits that the sum adds: 0.1 + 2 * 0.1 is 0.3.
std::string value_in_range(double value) {
  constexpr int kDigits = 12;
  char text[40];
  std::snprintf(text, sizeof text, "%.*g", kDigits, value);
  return plain_text(std::strtod(text, nullptr));
}

// The values of "0..4" or "0..1..0.25"; nothing where the word is no range.
std::optional<std::vector<std::string>> range_in(const std::string& option,
                                                 const std::string& word) {
  const auto parts = cut_at(word, "..");
  if (parts.size() < 2 || !number_in(parts[0])) return {};
  std::vector<double> numbers;
  for (const auto& part : parts) {
    const auto number = number_in(part);
    UNLAZY_CHECK_USAGE(number && parts.size() <= 3, "sweep: --", option, ": '", word,
                       "' is no range; write FIRST..LAST or FIRST..LAST..STEP, such as 0..4");
    numbers.push_back(*number);
  }
  const double first = numbers[0], last = numbers[1], step = numbers.size() == 3 ? numbers[2] : 1;
  UNLAZY_CHECK_USAGE(step > 0 && first <= last, "sweep: --", option, ": the range '", word,
                     "' holds nothing; it must ascend, with a step above 0");
  constexpr double kRounding = 1e-9;  // of (last - first) / step
  const double count = std::floor((last - first) / step + kRounding) + 1;
  UNLAZY_CHECK_USAGE(count <= kMostValues, "sweep: --", option, ": the range '", word, "' has ",
                     plain_text(count), " values, more than ", plain_text(kMostValues));
  std::vector<std::string> values;
  for (int64_t k = 0; k < static_cast<int64_t>(count); ++k)
    values.push_back(value_in_range(first + static_cast<double>(k) * step));
  return values;
}

std::vector<std::string> values_in(const std::string& option, const std::string& text) {
  std::vector<std::string> values;
  for (const auto& word : cut_at(text, ",")) {
    if (const auto range = range_in(option, word))
      values.insert(values.end(), range->begin(), range->end());
    else
      values.push_back(word);
  }
  return values;
}

std::string json_text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) return plain_text(value.get<double>());
  return value.dump();
}

// One entry of an axis in a file. The value of an option that takes a list is an array itself.
std::string entry_in(const std::string& option, const Json& value, const std::string& source) {
  UNLAZY_CHECK_USAGE(!value.is_object() && !value.is_null(), source, ": axis \"", option,
                     "\": a value must be a number, a string, true, false or an array of these, "
                     "got ",
                     value.dump());
  if (!value.is_array()) return json_text(value);
  std::vector<std::string> words;
  for (const auto& item : value) {
    UNLAZY_CHECK_USAGE(!item.is_structured() && !item.is_null(), source, ": axis \"", option,
                       "\": arrays are nested too deep");
    words.push_back(json_text(item));
  }
  return join(words, ",");
}

Axis axis_from_json(const std::string& option, const Json& json, const std::string& source) {
  if (json.is_string()) return {option, values_in(option, json.get<std::string>())};
  UNLAZY_CHECK_USAGE(json.is_array(), source, ": axis \"", option,
                     "\" must be an array of values, or a string such as \"0..4\", got ",
                     json.dump());
  Axis axis{option, {}};
  for (const auto& value : json) axis.values.push_back(entry_in(option, value, source));
  return axis;
}

std::vector<std::string> strings_in(const Json& json, const std::string& what) {
  if (json.is_string()) return {json.get<std::string>()};
  std::vector<std::string> list;
  UNLAZY_CHECK_USAGE(json.is_array(), what, " must be an array of strings, got ", json.dump());
  for (const auto& item : json) {
    UNLAZY_CHECK_USAGE(item.is_string(), what, " must be an array of strings, got ", json.dump());
    list.push_back(item.get<std::string>());
  }
  return list;
}

}  // namespace

std::vector<Axis> axes_from_words(const std::vector<std::string>& words) {
  std::vector<Axis> axes;
  for (size_t i = 0; i < words.size(); ++i) {
    const auto& word = words[i];
    UNLAZY_CHECK_USAGE(word.starts_with("--") && word.size() > 2, "sweep: '", word,
                       "' after -- is no axis; write --OPTION VALUE,VALUE,..");
    const auto assigned = word.find('=');
    const auto option = word.substr(2, assigned - 2);
    UNLAZY_CHECK_USAGE(
        assigned != std::string::npos || (i + 1 < words.size() && !words[i + 1].starts_with("--")),
        "sweep: the axis --", option, " needs values; write --", option, " VALUE,VALUE,..");
    const auto text = assigned == std::string::npos ? words[++i] : word.substr(assigned + 1);
    axes.push_back({option, values_in(option, text)});
  }
  return axes;
}

Condition condition_from(const std::string& text) {
  const auto begin = text.find_first_of("=!<>");
  const auto end = begin == std::string::npos ? begin : text.find_first_not_of("=!<>", begin);
  const auto relation =
      begin == std::string::npos ? std::string() : text.substr(begin, end - begin);
  const bool is_known = relation == "=" || relation == "!=" || relation == "<" ||
                        relation == "<=" || relation == ">" || relation == ">=";
  UNLAZY_CHECK_USAGE(is_known && begin > 0, "sweep: '", text,
                     "' is no condition; write an option, one of = != < <= > >=, and a value, such "
                     "as noise-rate>0");
  Condition condition{text.substr(0, begin), relation,
                      end == std::string::npos ? "" : text.substr(end)};
  const bool is_order = relation[0] == '<' || relation[0] == '>';
  UNLAZY_CHECK_USAGE(!is_order || number_in(condition.value), "sweep: the condition '", text,
                     "' needs a number after ", relation);
  return condition;
}

bool holds(const Condition& condition, const std::string& value) {
  const auto a = number_in(value), b = number_in(condition.value);
  const auto& relation = condition.relation;
  const bool is_equal = a && b ? *a == *b : value == condition.value;
  if (relation == "=") return is_equal;
  if (relation == "!=") return !is_equal;
  if (!a || !b) return false;
  const bool is_less = *a < *b;
  if (relation == "<") return is_less;
  if (relation == "<=") return is_less || is_equal;
  return relation == ">" ? !is_less && !is_equal : !is_less;
}

void add_zip(Grid& grid, const std::string& text) { grid.zips.push_back(cut_at(text, "+")); }

void add_condition(Grid& grid, const std::string& text) {
  const auto colon = text.find(':');
  UNLAZY_CHECK_USAGE(colon != std::string::npos && colon > 0, "sweep: --when '", text,
                     "' must be AXIS:CONDITION, such as noise:noise-rate>0");
  grid.when[text.substr(0, colon)].push_back(condition_from(text.substr(colon + 1)));
}

Grid grid_from_json(const Json& json, const std::string& source) {
  UNLAZY_CHECK_USAGE(json.is_object(), source, ": must be a JSON object with \"axes\"");
  for (const auto& item : json.items()) {
    const std::vector<std::string> known = {"axes", "zip", "when", "about"};
    UNLAZY_CHECK_USAGE(same_name(item.key(), known) == item.key(), source, ": there is no \"",
                       item.key(), "\" in a grid; ", suggest(item.key(), known));
  }
  Grid grid;
  const Json axes = json.value("axes", Json::object()), zips = json.value("zip", Json::array()),
             when = json.value("when", Json::object());
  UNLAZY_CHECK_USAGE(axes.is_object() && when.is_object() && zips.is_array(), source,
                     ": \"axes\" and \"when\" must be objects, and \"zip\" an array");
  for (const auto& item : axes.items())
    grid.axes.push_back(axis_from_json(item.key(), item.value(), source));
  for (const auto& group : zips) grid.zips.push_back(strings_in(group, source + ": \"zip\""));
  for (const auto& item : when.items()) {
    for (const auto& text : strings_in(item.value(), source + ": \"when\""))
      grid.when[item.key()].push_back(condition_from(text));
  }
  return grid;
}

Json to_json(const Grid& grid) {
  Json axes = Json::object(), when = Json::object();
  for (const auto& axis : grid.axes) axes[axis.option] = axis.values;
  for (const auto& [option, conditions] : grid.when) {
    for (const auto& condition : conditions) when[option].push_back(condition.text());
  }
  return {{"axes", axes}, {"zip", grid.zips}, {"when", when}};
}

}  // namespace unlazy::sweep
