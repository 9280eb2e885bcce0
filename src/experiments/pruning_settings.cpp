#include "experiments/pruning_settings.h"

#include <algorithm>
#include <set>

namespace unlazy::experiments {
namespace {

std::string value_in(const Settings& settings, const std::string& name) {
  const auto found = settings.find(name);
  return found == settings.end() ? std::string() : found->second;
}

}  // namespace

std::vector<std::string> without_effect() {
  std::vector<std::string> names = {"seed",
                                    "out",
                                    "resume",
                                    "overwrite",
                                    "data-dir",
                                    "eval-batch",
                                    "curve-ema",
                                    "checkpoint-every",
                                    "keep-checkpoints",
                                    "checkpoint-at",
                                    "cuda-graph",
                                    "device",
                                    "threads",
                                    "run",
                                    "save-weights",
                                    "masks-from",
                                    "levels",
                                    "densities",
                                    "density-range"};
  train::TrainOptions o;
  for (const auto& table :
       {measure::describe(o.measure), measure::describe(o.measure.probe, "measure-")}) {
    for (const auto& row : table.rows()) names.push_back(row.name);
  }
  return names;
}

Settings settings_of(train::TrainOptions base, PruneOptions options) {
  const auto left_out = without_effect();
  auto tables = describe(options);
  for (auto& table : train::describe(base)) tables.push_back(std::move(table));
  Settings settings;
  for (const auto& table : tables) {
    for (const auto& row : table.rows()) {
      if (std::find(left_out.begin(), left_out.end(), row.name) == left_out.end())
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
