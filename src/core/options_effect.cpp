// Refuses options that would silently do nothing: each row says which other options it depends on.
#include <algorithm>

#include "core/error.h"
#include "core/option_rows.h"

namespace unlazy {
namespace {

using Tables = std::vector<OptionTable>;

bool holds(const std::vector<std::string>& list, const std::string& word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

bool has_effect(const Tables& tables, const Option& option);

// An option that the tables lack (a command offers a part of them) counts as met.
bool is_met(const Tables& tables, const OnlyFor& condition) {
  const Option* other = find_row(tables, condition.option);
  if (other == nullptr) return true;
  auto value = value_text(*other);
  if (other->has_settings) value = value.substr(0, value.find(':'));
  return (condition.values.empty() ? !value.empty() : holds(condition.values, value)) &&
         has_effect(tables, *other);
}

bool has_effect(const Tables& tables, const Option& option) {
  return option.only_for.empty() ||
         std::any_of(option.only_for.begin(), option.only_for.end(),
                     [&](const OnlyFor& condition) { return is_met(tables, condition); });
}

// The condition to blame for an option without effect: the last whose own option has one. With
// --optimizer sam it is the --sam-base, with --optimizer adamw the optimizer.
const Option& to_blame(const Tables& tables, const Option& option) {
  const Option* blamed = find_row(tables, option.only_for.front().option);
  for (const auto& condition : option.only_for) {
    const Option* other = find_row(tables, condition.option);
    if (has_effect(tables, *other)) blamed = other;
  }
  return *blamed;
}

// As a user writes it: "--noise flip", "--nesterov", "--augment=false".
std::string flag_text(const std::string& name, const std::string& value, bool is_switch) {
  if (!is_switch) return "--" + name + " " + value;
  return "--" + name + (value == "true" ? "" : "=" + value);
}
std::string flag_text(const Option& option) {
  return flag_text(option.name, value_text(option), is_switch(option));
}

}  // namespace

std::string only_for_text(const Option& option) {
  std::vector<std::string> parts;
  for (const auto& [name, values] : option.only_for) {
    const bool is_switch = values.size() == 1 && (values[0] == "true" || values[0] == "false");
    parts.push_back(values.empty() ? "--" + name : flag_text(name, join(values), is_switch));
  }
  return join(parts, " or ");
}

void Options::refuse_without_effect() const {
  for (const auto& table : tables_) {
    for (const auto& row : table.rows()) {
      const bool is_asked_for = holds(in_config_files_, row.name)
                                    ? value_text(row) != row.default_text
                                    : holds(flags_, row.name);
      if (!is_asked_for || has_effect(tables_, row)) continue;
      const Option& blamed = to_blame(tables_, row);
      throw Error(
          flag_text(row) + " has no effect with" +
              (value_text(blamed).empty() ? "out --" + blamed.name : " " + flag_text(blamed)) +
              "; leave it out, or give " + only_for_text(row),
          Error::Kind::kMisuse);
    }
  }
  for (const auto& table : tables_) {
    for (const auto& row : table.rows()) {
      if (row.is_needed && !is_given(row.name) && value_text(row) == "0") refuse_unsaid(row);
    }
  }
}

// `row` is 0 by default: is it asked for by an option that goes with it?
void Options::refuse_unsaid(const Option& row) const {
  for (const auto& condition : row.only_for) {
    UNLAZY_CHECK_USAGE(!is_given(condition.option) || !is_met(tables_, condition),
                       flag_text(*find(condition.option)), " needs --", row.name, ", such as --",
                       row.name, " 0.1; give --", row.name, " 0 if you mean none");
  }
}

}  // namespace unlazy
