// The house keeps its rooms: who may include whom, what a file may hold, how long it may be. Reads
// the sources as text.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "core/files.h"

namespace unlazy {
namespace {

namespace fs = std::filesystem;

struct Source {
  std::string path;  // "src/core/error.h"
  std::string room;  // "core"
  std::string text;
};

// A room sees those below it; rooms of one level do not see each other.
const std::map<std::string, int> kLevels = {
    {"core", 0},  {"data", 1},        {"models", 1},    {"report", 1},  {"noise", 2},
    {"optim", 2}, {"linearise", 2},   {"synthetic", 2}, {"measure", 3}, {"prune", 3},
    {"train", 4}, {"experiments", 5}, {"sweep", 5},     {"tools", 6}};
// CUDA kernels and their launchers: a leaf that any room above core may use.
const std::string kLeaf = "cuda";

// Rooms of several folders: a file sees its own folder, those before it, and the top of the room,
// which sees none of them.
const std::map<std::string, std::vector<std::string>> kFolders = {
    {"synthetic", {"engine", "records", "theory"}}};

// Files that may be longer than 450 lines, with the reason.
const std::map<std::string, std::string> kLongFiles = {};

std::vector<Source> all_sources() {
  std::vector<Source> list;
  const fs::path root = UNLAZY_SOURCE_DIR;
  for (const std::string folder : {"src", "models", "data", "tools"}) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const auto extension = entry.path().extension();
      if (extension != ".h" && extension != ".cpp" && extension != ".cu") continue;
      const fs::path path = fs::relative(entry.path(), root);
      auto part = path.begin();
      if (folder == "src") ++part;
      list.push_back({path.string(), part->string(), read_file(entry.path().string())});
    }
  }
  return list;
}

// The rooms that a file includes: "core/error.h" is of core, "command.h" of its own room.
std::vector<std::string> included_rooms(const Source& source) {
  std::vector<std::string> rooms;
  const std::regex include("#include \"([^\"/]+)/[^\"]+\"");
  for (std::sregex_iterator match(source.text.begin(), source.text.end(), include), end;
       match != end; ++match) {
    rooms.push_back((*match)[1]);
  }
  return rooms;
}

bool may_include(const std::string& from, const std::string& to) {
  if (from == to || to == "core") return true;
  if (from == kLeaf) return false;
  if (to == kLeaf) return from != "core";
  if (from == "tools" && to == "bench") return true;
  return kLevels.at(to) < kLevels.at(from);
}

TEST(Structure, NothingIncludesUpward) {
  const auto sources = all_sources();
  ASSERT_GT(sources.size(), 30u);
  for (const auto& source : sources) {
    ASSERT_TRUE(kLevels.count(source.room) == 1 || source.room == kLeaf)
        << source.path << ": a room that has no level";
    for (const auto& room : included_rooms(source)) {
      if (kLevels.count(room) == 0 && room != kLeaf && room != "bench") {
        ADD_FAILURE() << source.path << " includes the unknown room " << room;
      } else {
        EXPECT_TRUE(may_include(source.room, room)) << source.path << " includes " << room;
      }
    }
  }
}

TEST(Structure, RulesTellUpFromDown) {
  EXPECT_TRUE(may_include("train", "measure") && may_include("noise", "data") &&
              may_include("data", "cuda"));
  EXPECT_FALSE(may_include("core", "data") || may_include("models", "train") ||
               may_include("noise", "optim"));
  EXPECT_FALSE(may_include("cuda", "data") || may_include("core", "cuda"));
}

// The place of a folder in its room: 0 for the top, -1 for an unknown one.
int folder_level(const std::string& room, const std::string& folder) {
  if (folder.empty()) return 0;
  const auto& folders = kFolders.at(room);
  const auto found = std::find(folders.begin(), folders.end(), folder);
  return found == folders.end() ? -1 : 1 + static_cast<int>(found - folders.begin());
}

TEST(Structure, FoldersOfARoomAreInOrder) {
  int64_t num_seen = 0;
  for (const auto& source : all_sources()) {
    if (kFolders.count(source.room) == 0) continue;
    // "src/synthetic/engine/draws.h" -> "engine"
    const auto parent = fs::path(source.path).parent_path().filename().string();
    const int own = folder_level(source.room, parent == source.room ? "" : parent);
    EXPECT_GE(own, 0) << source.path << ": a folder that has no place in its room";
    const std::regex include("#include \"" + source.room + "/(?:([^\"/]+)/)?[^\"/]+\"");
    for (std::sregex_iterator match(source.text.begin(), source.text.end(), include), end;
         match != end; ++match) {
      const int other = folder_level(source.room, (*match)[1]);
      EXPECT_TRUE(other >= 0 && other <= own) << source.path << ": " << match->str();
      ++num_seen;
    }
  }
  EXPECT_GT(num_seen, 30);
}

// A figure is composed beside the results that it shows; the commands only say where it goes.
TEST(Structure, ToolsComposeNoFigures) {
  for (const auto& source : all_sources()) {
    if (source.room != "tools") continue;
    EXPECT_EQ(source.text.find("report::Panel"), std::string::npos) << source.path;
    EXPECT_EQ(source.text.find("report::Series"), std::string::npos) << source.path;
  }
}

TEST(Structure, NoWorkIsLeftForLater) {
  for (const auto& source : all_sources()) {
    for (const char* word : {"TODO", "FIXME", "XXX", "HACK"}) {
      EXPECT_EQ(source.text.find(word), std::string::npos) << source.path << " has a " << word;
    }
  }
}

TEST(Structure, FilesStayShort) {
  for (const auto& source : all_sources()) {
    const auto lines = std::count(source.text.begin(), source.text.end(), '\n');
    EXPECT_TRUE(lines <= 450 || kLongFiles.count(source.path) == 1) << source.path << ": " << lines;
  }
}

TEST(Structure, HeadersBeginWithWhatTheyAre) {
  for (const auto& source : all_sources()) {
    if (!source.path.ends_with(".h")) continue;
    EXPECT_TRUE(source.text.starts_with("// ")) << source.path;
    EXPECT_NE(source.text.find("\n#pragma once\n"), std::string::npos) << source.path;
  }
}

// Each costs seconds of every file that sees it.
TEST(Structure, HeavyHeadersStayWhereTheyAreNeeded) {
  for (const auto& source : all_sources()) {
    for (const char* header :
         {"<torch/torch.h>", "<ATen/ATen.h>", "<torch/all.h>", "<torch/types.h>"}) {
      EXPECT_EQ(source.text.find(header), std::string::npos)
          << source.path << " includes " << header;
    }
    if (source.path.ends_with(".h")) {
      EXPECT_EQ(source.text.find("<nlohmann/json.hpp>"), std::string::npos) << source.path;
    }
  }
}

// Errors are thrown and results returned; tools/ alone talks to the user.
TEST(Structure, TheLibraryNeitherPrintsNorExits) {
  const std::regex talk(
      "std::(cout|cerr|clog|exit|abort|quick_exit)|[^a-z_:]f?printf\\(|[^a-z_:.]exit\\(");
  for (const auto& source : all_sources()) {
    if (source.room == "tools") continue;
    std::smatch match;
    EXPECT_FALSE(std::regex_search(source.text, match, talk)) << source.path << ": " << match.str();
  }
}

}  // namespace
}  // namespace unlazy
