#include "experiments/runs/run_results.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>

#include "core/error.h"
#include "core/options.h"

namespace unlazy::experiments {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// "measure-40-rho=0.1.json": the step, and the settings that are not the default ones.
struct MeasureFile {
  int64_t step = -1;
  std::string settings;  // "rho=0.1"
};
MeasureFile measure_file(const std::string& name) {
  const std::string_view head = "measure-", tail = ".json";
  if (!name.starts_with(head) || !name.ends_with(tail)) return {};
  const auto middle = name.substr(head.size(), name.size() - head.size() - tail.size());
  MeasureFile file;
  const auto* end = middle.data() + middle.size();
  const auto [rest, error] = std::from_chars(middle.data(), end, file.step);
  if (error != std::errc{} || (rest != end && *rest != '-')) return {};
  if (rest != end) file.settings = std::string(rest + 1, end);
  return file;
}

}  // namespace

nlohmann::ordered_json measured_in(const std::string& folder) {
  std::map<std::string, std::string> newest;  // settings to file
  int64_t step = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const auto file = measure_file(entry.path().filename().string());
    if (file.step < step) continue;
    if (file.step > step) newest.clear();
    step = file.step;
    newest[file.settings] = entry.path().string();
  }
  Json all = Json::object();
  for (const auto& [settings, path] : newest) {
    const auto file = read_json_file(path);
    const Json values = file.is_object() ? file.value("values", Json::object()) : Json();
    UNLAZY_CHECK(values.is_object(), path, ": holds no values of unlazy measure");
    for (const auto& [name, value] : values.items())
      all[settings.empty() ? name : name + " (" + settings + ")"] = value;
  }
  return all;
}

nlohmann::ordered_json read_statements(const std::string& folder) {
  const auto path = folder + "/statements.json";
  auto json = read_json_file(path);
  const auto is_text = [](const Json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string();
  };
  const auto is_effect = [&](const Json& effect) {
    return effect.is_object() && is_text(effect, "name");
  };
  const auto is_statement = [&](const Json& statement) {
    if (!statement.is_object()) return false;
    const auto effects = statement.find("effects");
    return is_text(statement, "text") && is_text(statement, "numbers") &&
           is_text(statement, "verdict") && effects != statement.end() && effects->is_array() &&
           std::ranges::all_of(*effects, is_effect);
  };
  const bool is_right = json.is_object() && json.contains("statements") &&
                        json["statements"].is_array() &&
                        std::ranges::all_of(json["statements"], is_statement);
  UNLAZY_CHECK(is_right, path, ": holds no statements of unlazy compare");
  return json;
}

}  // namespace unlazy::experiments
