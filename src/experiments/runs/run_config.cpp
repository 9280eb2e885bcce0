#include "experiments/runs/run_config.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/format.h"
#include "core/options.h"
#include "noise/label_noise.h"
#include "train/experiment.h"

namespace unlazy::experiments {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kSeed = "seed";

// The options of unlazy train: what each means and its default.
struct TrainTable {
  std::vector<std::pair<std::string, Role>> roles;  // in the order of --help-all
  Settings defaults;
};
const TrainTable& train_table() {
  static const TrainTable table = [] {
    train::TrainOptions options;
    TrainTable made;
    for (const auto& part : train::describe(options)) {
      for (const auto& row : part.rows()) {
        made.roles.emplace_back(row.name, row.role);
        made.defaults[row.name] = value_text(row);
      }
    }
    return made;
  }();
  return table;
}

bool decides(Role role) {
  return role == Role::kSetting || role == Role::kLength || role == Role::kSource;
}

const std::vector<std::string>& noise_options() {
  static const std::vector<std::string> names = [] {
    noise::NoiseOptions options;
    std::vector<std::string> list;
    const auto table = noise::describe(options);
    for (const auto& row : table.rows()) list.push_back(row.name);
    return list;
  }();
  return names;
}

std::string value_in(const Settings& settings, const std::string& name) {
  const auto found = settings.find(name);
  return found == settings.end() ? std::string() : found->second;
}

std::string for_shell(const std::string& word) {
  const auto is_plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("-_./,:=+@%").find(c) != std::string_view::npos;
  };
  if (!word.empty() && std::all_of(word.begin(), word.end(), is_plain)) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

}  // namespace

std::string text_of_value(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) return number_text(value.get<double>());
  if (!value.is_array()) return value.dump();
  std::string text;
  for (const auto& entry : value) text += (text.empty() ? "" : ",") + text_of_value(entry);
  return text;
}

Settings options_in(const Json& config) {
  Settings options;
  for (const auto& [name, value] : config.items()) {
    if (name != "about" && name != "config-version" && name != "command")
      options[name] = text_of_value(value);
  }
  return options;
}

Settings settings_in(const Json& config) {
  Settings settings;
  for (const auto& [name, role] : train_table().roles) {
    if (!decides(role) || name == kSeed) continue;
    settings[name] =
        config.contains(name) ? text_of_value(config.at(name)) : train_table().defaults.at(name);
  }
  return settings;
}

int64_t seed_in(const Json& config) {
  const auto found = config.find(kSeed);
  return found != config.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
}

std::optional<double> noise_rate_in(const Settings& settings) {
  const auto kind = value_in(settings, "noise");
  if (kind.empty()) return {};
  if (kind == "none") return 0;
  const auto rate = value_in(settings, "noise-rate");
  const bool has_rate = value_in(settings, "noise-sigma") == "0" && !rate.empty();
  if (!has_rate) return {};
  try {
    return std::stod(rate);
  } catch (const std::exception&) {
    return {};
  }
}

Settings without_noise(const Settings& settings) {
  auto rest = settings;
  for (const auto& name : noise_options()) rest.erase(name);
  return rest;
}

std::string command_of(const Json& config) {
  const auto command = config.value("command", "train");
  if (command != "train")
    return "unlazy " + command + ", which makes this run along with those that it is compared with";
  // The place of the data says what they are where no option does.
  const bool is_folder = text_of_value(config.value("data", Json(""))) == "image-folder";
  std::string text = "unlazy train";
  for (const auto& [name, role] : train_table().roles) {
    const bool is_wanted = (role != Role::kPlace && role != Role::kRequest) || name == "out" ||
                           (name == "data-dir" && is_folder);
    if (!is_wanted || !config.contains(name)) continue;
    const auto value = text_of_value(config.at(name));
    if (value == train_table().defaults.at(name)) continue;
    text += " --" + name +
            (value == "true"    ? ""
             : value == "false" ? "=false"
                                : " " + for_shell(value));
  }
  return text;
}

}  // namespace unlazy::experiments
