#include "data/places.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "core/error.h"
#include "core/names.h"
#include "core/paths.h"

namespace unlazy::data {
namespace {

namespace fs = std::filesystem;

// What identifies a source on disk: the folder that its archive unpacks to and one of its files.
struct KnownSource {
  std::string_view name;
  std::string_view folder;
  std::string_view file;
};
constexpr KnownSource kKnownSources[] = {
    {"cifar10", "cifar-10-batches-bin", "data_batch_1.bin"},
    {"cifar100", "cifar-100-binary", "train.bin"},
    {"cifar10-sample", "sample", "data_batch_1.bin"},
};

const KnownSource* find_known(std::string_view source) {
  for (const auto& known : kKnownSources) {
    if (known.name == source) return &known;
  }
  return nullptr;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool has_file(const fs::path& folder, std::string_view file) {
  std::error_code error;
  return fs::is_regular_file(folder / file, error);
}

}  // namespace

std::vector<std::string> search_places(std::string_view source) {
  const KnownSource* known = find_known(source);
  std::vector<std::string> places;
  if (known == nullptr) return places;
  const fs::path folder(known->folder);
  const bool is_sample = source == "cifar10-sample";
  if (const auto dir = environment("UNLAZY_DATA_DIR"); !dir.empty()) {
    places.push_back(dir / folder);
    if (!is_sample) places.push_back(dir);
  }
  if (is_sample) {
    const auto shipped = resource_places("data/sample");
    places.insert(places.end(), shipped.begin(), shipped.end());
    return places;
  }
  places.push_back("data" / folder);
  if (const auto home = environment("HOME"); !home.empty()) {
    places.push_back(fs::path(home) / ".cache/unlazy" / folder);
  }
  return places;
}

std::string find_folder(std::string_view source, const std::string& dir, const std::string& file,
                        const std::string& hint) {
  const KnownSource* known = find_known(source);
  if (!dir.empty()) {
    UNLAZY_CHECK(fs::is_directory(dir), source, ": there is no folder ", dir, "; ", hint);
    if (!has_file(dir, file) && known != nullptr && has_file(fs::path(dir) / known->folder, file)) {
      return fs::path(dir) / known->folder;
    }
    return dir;
  }
  const auto places = search_places(source);
  for (const auto& place : places) {
    if (has_file(place, file)) return place;
  }
  throw Error(
      internal::concat(source, ": there is no ", file, " in any of ", join(places), "; ", hint));
}

std::vector<FoundSource> found_sources() {
  std::vector<FoundSource> found;
  for (const auto& known : kKnownSources) {
    for (const auto& place : search_places(known.name)) {
      if (!has_file(place, known.file)) continue;
      found.push_back({std::string(known.name), place});
      break;
    }
  }
  return found;
}

}  // namespace unlazy::data
