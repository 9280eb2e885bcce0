#include "experiments/pruning_settings.h"

#include <algorithm>
#include <set>

#include "core/options.h"

namespace unlazy::experiments {
namespace {

std::string value_in(const Settings& settings, const std::string& name) {
  const auto found = settings.find(name);
  return found == settings.end() ? std::string() : found->second;
}

}  // namespace

Settings settings_of(train::TrainOptions base, PruneOptions options) {
  auto tables = describe(options);
  for (auto& table : train::describe(base)) tables.push_back(std::move(table));
  Settings settings;
  for (const auto& table : tables) {
    for (const auto& row : table.rows()) {
      if (row.role == Role::kSetting || row.role == Role::kLength)
        settings[row.name] = value_text(row);
    }
  }
  return settings;
}

std::vector<std::string> differing(const std::vector<Settings>& list) {
  std::set<std::string> names;
  for (const auto& settings : list) {
    for (const auto& item : settings) names.insert(item.first);
  }
  std::vector<std::string> result;
  for (const auto& name : names) {
    if (std::any_of(list.begin(), list.end(), [&](const Settings& settings) {
          return value_in(settings, name) != value_in(list[0], name);
        }))
      result.push_back(name);
  }
  return result;
}

}  // namespace unlazy::experiments
