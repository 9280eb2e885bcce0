#include "experiments/runs/run_results.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <limits>
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

constexpr double kUnmeasured = std::numeric_limits<double>::quiet_NaN();

// null where there is no number.
double number_of(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_number() ? found->get<double>() : kUnmeasured;
}

std::vector<Statement> statements_in(const Json& json) {
  std::vector<Statement> list;
  for (const auto& one : json.at("statements")) {
    Statement statement{.text = one.at("text"),
                        .numbers = one.at("numbers"),
                        .effects = {},
                        .verdict = verdict_called(one.at("verdict").get<std::string>())};
    for (const auto& effect : one.value("effects", Json::array())) {
      auto& added = statement.effects.emplace_back();
      added.name = effect.at("name");
      added.mean = number_of(effect, "mean");
      added.margin = number_of(effect, "margin");
    }
    list.push_back(std::move(statement));
  }
  return list;
}

}  // namespace

std::map<std::string, std::vector<double>> measured_in(const std::string& folder) {
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
  std::map<std::string, std::vector<double>> all;
  for (const auto& [settings, path] : newest) {
    const auto file = read_json_file(path);
    const Json values = file.is_object() ? file.value("values", Json::object()) : Json();
    UNLAZY_CHECK(values.is_object(), path, ": holds no values of unlazy measure");
    for (const auto& [name, value] : values.items()) {
      auto& numbers = all[settings.empty() ? name : name + " (" + settings + ")"];
      for (const auto& number : value.is_array() ? value : Json::array({value}))
        numbers.push_back(number.is_number() ? number.get<double>() : kUnmeasured);
    }
  }
  return all;
}

std::vector<Statement> read_statements(const std::string& folder) {
  const auto path = folder + "/statements.json";
  try {
    return statements_in(read_json_file(path));
  } catch (const nlohmann::json::exception&) {
    throw Error(path + ": holds no statements of unlazy compare");
  }
}

}  // namespace unlazy::experiments
