// Refuses options that would silently do nothing: each row says which other options it depends on.
#include <algorithm>
#include <functional>
#include <sstream>

#include "core/error.h"
#include "core/option_rows.h"

namespace unlazy {
namespace {

// The first condition that could be met and is not; null when one is met or there is none. An
// option that the tables lack (a command offers a part of them) counts as met.
const OnlyFor* unmet(const std::vector<OptionTable>& tables, const Option& option) {
  if (option.only_for.empty()) return nullptr;
  for (const auto& condition : option.only_for) {
    const Option* other = find_row(tables, condition.option);
    if (other == nullptr) return nullptr;
    const auto value = value_text(*other);
    if (std::find(condition.values.begin(), condition.values.end(), value) !=
        condition.values.end())
      return nullptr;
  }
  return &option.only_for.front();
}

void refuse_unmet(const std::vector<OptionTable>& tables,
                  const std::function<bool(const Option& option)>& is_asked_for) {
  for (const auto& table : tables) {
    for (const auto& row : table.rows()) {
      const OnlyFor* condition = unmet(tables, row);
      if (condition == nullptr || !is_asked_for(row)) continue;
      const auto has = value_text(*find_row(tables, condition->option));
      throw Error("--" + row.name + " " + value_text(row) + " has no effect with --" +
                      condition->option + " " + has + "; leave it out, or give " +
                      only_for_text(row),
                  Error::Kind::kMisuse);
    }
  }
}

}  // namespace

std::string only_for_text(const Option& option) {
  std::vector<std::string> parts;
  for (const auto& condition : option.only_for)
    parts.push_back("--" + condition.option + " " + join(condition.values));
  return join(parts, " or ");
}

void refuse_without_effect(const std::vector<OptionTable>& tables,
                           const std::vector<OptionTable>& defaults) {
  refuse_unmet(tables, [&](const Option& row) {
    const Option* before = find_row(defaults, row.name);
    return before == nullptr || value_text(row) != value_text(*before);
  });
}

void Options::refuse_without_effect() const {
  const auto holds = [](const std::vector<std::string>& list, const std::string& name) {
    return std::find(list.begin(), list.end(), name) != list.end();
  };
  refuse_unmet(tables_, [&](const Option& row) {
    return holds(flags_, row.name) ||
           (holds(in_config_files_, row.name) && value_text(row) != row.default_text);
  });
}

}  // namespace unlazy
