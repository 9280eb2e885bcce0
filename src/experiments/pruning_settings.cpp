#include "experiments/pruning_settings.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "train/loop.h"

namespace unlazy::experiments {
namespace {

// A resumed run may be longer than before; runs of different lengths are no seeds of each other.
constexpr std::array kLengths = {"epochs", "max-steps"};
// What is written and smoothed, and the levels, which a curve itself tells.
constexpr std::array kWithoutEffect = {"curve-ema",     "save-weights", "levels", "densities",
                                       "density-range", "noise-rates",  "seeds",  "protocols",
                                       "runs",          "preset"};
// What tells seeds of one line apart.
constexpr std::array kSource = {"seed", "run", "masks-from"};

template <size_t kSize>
bool has(const std::array<const char*, kSize>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string value_in(const Settings& settings, const std::string& name) {
  const auto found = settings.find(name);
  return found == settings.end() ? std::string() : found->second;
}

}  // namespace

bool is_setting(const std::string& option) {
  if (has(kLengths, option)) return true;
  return !train::may_change_at_resume(option) && !has(kWithoutEffect, option) &&
         !has(kSource, option);
}

void check_same_curve(const nlohmann::ordered_json& now, const std::string& folder) {
  const auto before = read_json_file(folder + "/config.json");
  for (const auto& [name, value] : now.items()) {
    if (name == "about" || (!is_setting(name) && !has(kSource, name))) continue;
    if (name == "precision" && value == "auto") continue;  // a run's config.json has what it became
    UNLAZY_CHECK_USAGE(!before.contains(name) || before.at(name) == value, folder,
                       ": was begun with ", name, " ", before.at(name).dump(),
                       ", but --resume was given ", value.dump(),
                       "; leave the flag out, or begin anew with --overwrite");
  }
}

Settings settings_of(train::TrainOptions base, PruneOptions options) {
  auto tables = describe(options);
  for (auto& table : train::describe(base)) tables.push_back(std::move(table));
  Settings settings;
  for (const auto& table : tables) {
    for (const auto& row : table.rows()) {
      if (is_setting(row.name)) settings[row.name] = value_text(row);
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
