#include "train/measure_table.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>
#include <tuple>
#include <vector>

#include "core/error.h"
#include "core/files.h"
#include "core/format.h"
#include "core/options.h"

namespace unlazy::train {
namespace {

namespace fs = std::filesystem;

struct MeasureFile {
  int64_t step;
  std::string settings, path;
  bool operator<(const MeasureFile& other) const {
    return std::tie(step, settings) < std::tie(other.step, other.settings);
  }
};

// "measure-40-split=test-rho=0.1.json": names may have '-' too, so a setting ends before the last
// "-name=" that follows it.
std::vector<MeasureFile> measure_files(const std::string& run) {
  const std::regex pattern("measure-([0-9]{1,18})((?:-[a-z][a-z-]*=.*)?)\\.json");
  std::vector<MeasureFile> files;
  for (const auto& entry : fs::directory_iterator(run)) {
    const auto name = entry.path().filename().string();
    std::smatch match;
    if (!std::regex_match(name, match, pattern)) continue;
    const auto settings = std::regex_replace(match[2].str(), std::regex("-([a-z][a-z-]*=)"), " $1");
    files.push_back(
        {std::stoll(match[1]), settings.empty() ? "" : settings.substr(1), entry.path().string()});
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

// What is not finite is null in JSON.
std::string value_of(const nlohmann::ordered_json& value) {
  return number_text(value.is_null() ? NAN : value.get<double>());
}

}  // namespace

void write_measure_table(const std::string& run) {
  auto folder = fs::absolute(run).lexically_normal();
  if (!folder.has_filename()) folder = folder.parent_path();
  std::ostringstream table;
  table << "run,step,epoch,settings,name,index,value\n";
  for (const auto& file : measure_files(run)) {
    const auto json = read_json_file(file.path);
    UNLAZY_CHECK(json.is_object() && json.contains("epoch") && json.contains("values"), file.path,
                 ": is not a file of unlazy measure; move it away");
    const std::string head =
        csv_field(folder.filename().string()) + "," + std::to_string(file.step) + "," +
        number_text(json.at("epoch").get<double>()) + "," + csv_field(file.settings) + ",";
    for (const auto& [name, value] : json.at("values").items()) {
      if (!value.is_array()) {
        table << head << csv_field(name) << ",," << value_of(value) << "\n";
        continue;
      }
      for (size_t i = 0; i < value.size(); ++i)
        table << head << csv_field(name) << "," << i << "," << value_of(value[i]) << "\n";
    }
  }
  write_file(run + "/measure.csv", table.str());
}

}  // namespace unlazy::train
