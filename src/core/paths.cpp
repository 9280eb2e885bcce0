#include "core/paths.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/names.h"
#include "core/options.h"

namespace unlazy {
namespace {

namespace fs = std::filesystem;

// The source tree keeps presets with the program's sources.
std::string in_source_tree(std::string_view name) {
  const std::string folder = name.substr(0, 7) == "presets" ? "/tools/" : "/";
  return UNLAZY_SOURCE_DIR + folder + std::string(name);
}

}  // namespace

std::vector<std::string> resource_places(std::string_view name) {
  std::vector<std::string> places;
  if (const char* share = std::getenv("UNLAZY_SHARE"); share != nullptr && *share != '\0') {
    places.push_back((fs::path(share) / name).string());
  }
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (!error) {
    const auto share = program.parent_path().parent_path() / "share/unlazy" / name;
    places.push_back(share.lexically_normal().string());
  }
  places.push_back(in_source_tree(name));
  return places;
}

std::string find_resource(std::string_view name) {
  const auto places = resource_places(name);
  for (const auto& place : places) {
    std::error_code error;
    if (fs::exists(place, error)) return place;
  }
  throw Error(internal::concat("unlazy: there is no ", join(places),
                               "; set UNLAZY_SHARE to the folder that holds ", name));
}

std::vector<Choice> presets(std::string_view command) {
  std::vector<Choice> list;
  const auto places = resource_places("presets");
  std::error_code error;
  const auto folder = std::find_if(places.begin(), places.end(), [&](const auto& place) {
    return fs::is_directory(place, error);
  });
  if (folder == places.end()) return list;
  for (const auto& entry : fs::directory_iterator(*folder, error)) {
    if (entry.path().extension() != ".json") continue;
    const auto preset = read_json_file(entry.path().string());
    if (preset.value("command", "") == command)
      list.push_back({entry.path().stem().string(), preset.value("about", "")});
  }
  std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return list;
}

std::string find_preset(std::string_view name, std::string_view command) {
  std::vector<std::string> known;
  for (const auto& preset : presets(command)) known.push_back(preset.name);
  UNLAZY_CHECK_USAGE(std::find(known.begin(), known.end(), name) != known.end(), command,
                     ": there is no preset '", name, "'; ", suggest(name, known));
  return find_resource("presets/" + std::string(name) + ".json");
}

}  // namespace unlazy
