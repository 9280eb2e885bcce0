// The folder of a run: what is a run there, what is its own, what is another's.
#include "train/run_dir.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/files.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"
#include "train/run_files.h"

namespace unlazy::train {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using Mode = RunDir::Mode;
using testing::expect_error;
using testing::expect_misuse;
using testing::ScratchFolder;

Json config(const std::string& command, const std::vector<std::string>& files) {
  return {{"command", command}, {"about", {{"files", files}}}};
}

void put(const std::string& path, const std::string& text = "x") {
  make_folder(fs::path(path).parent_path().string());
  write_file(path, text);
}

// All files below a folder but the lock, sorted.
std::string files_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && entry.path().filename() != ".lock")
      names.push_back(fs::relative(entry.path(), folder).string());
  }
  std::sort(names.begin(), names.end());
  std::string text;
  for (const auto& name : names) text += name + " ";
  return text;
}

// A run of training with a file of each kind, and a pruning curve inside.
void make_run(const std::string& folder) {
  RunDir run(folder, Mode::kNew);
  run.begin(config("train", training_files()));
  for (const char* name :
       {"metrics.csv", "log.txt", "events.out.tfevents.0.unlazy", "measure-12.json",
        "checkpoints/00000004/meta.json", "checkpoints/00000004/model.safetensors",
        "checkpoints/00000004/state.safetensors", "figures/plane-run-4.png"})
    put(folder + "/" + name);
  RunDir curve(folder + "/prune-one-shot", Mode::kNew);
  curve.begin(config("prune", {"DONE", "curve.json", "level-#/mask.safetensors"}));
  put(folder + "/prune-one-shot/curve.json");
  put(folder + "/prune-one-shot/level-03/mask.safetensors");
  curve.mark_done();
  run.mark_done();
}

void overwrite(const std::string& folder, const Json& with) {
  RunDir run(folder, Mode::kOverwrite);
  run.begin(with);
}

TEST(RunDir, OverwriteRemovesAllThatTheRunWrote) {
  const ScratchFolder scratch;
  make_run(scratch / "run");
  overwrite(scratch / "run", config("train", training_files()));
  EXPECT_EQ(files_in(scratch / "run"), "config.json ");
  EXPECT_FALSE(fs::exists(scratch / "run/checkpoints"));
  EXPECT_FALSE(fs::exists(scratch / "run/prune-one-shot"));
}

TEST(RunDir, OverwriteSparesWhatTheUserPutThere) {
  const ScratchFolder scratch;
  const std::string folder = scratch / "run";
  make_run(folder);
  for (const char* name : {"notes.txt", "figures/paper.pdf", "checkpoints/best.pt",
                           "checkpoints/00000004/mine.txt", "prune-one-shot/notes.txt"})
    put(folder + "/" + name);
  overwrite(folder, config("train", training_files()));
  EXPECT_EQ(files_in(folder),
            "checkpoints/00000004/mine.txt checkpoints/best.pt config.json figures/paper.pdf "
            "notes.txt prune-one-shot/notes.txt ");
}

TEST(RunDir, WithoutConfigNothingIsTaken) {
  const ScratchFolder scratch;
  const std::string folder = scratch / "mine";
  for (const char* name : {"figures/paper.pdf", "checkpoints/x.pt", "log.txt"})
    put(folder + "/" + name);
  for (const auto mode : {Mode::kNew, Mode::kOverwrite, Mode::kResume}) {
    RunDir run(folder, mode);
    expect_misuse([&] { run.begin(config("train", training_files())); },
                  folder +
                      "/log.txt: is there, but no config.json that says whose it is: it may be "
                      "yours, or of a run that was killed as it began; remove it, or choose "
                      "another --out");
  }
  EXPECT_EQ(files_in(folder), "checkpoints/x.pt figures/paper.pdf log.txt ");
}

TEST(RunDir, ARunOfAnotherCommandIsNotReplaced) {
  const ScratchFolder scratch;
  const std::string folder = scratch / "run";
  make_run(folder);
  const auto before = files_in(folder);
  expect_misuse(
      [&] {
        overwrite(folder, config("synthetic", {"DONE", "curves.csv"}));
      },
      folder +
          ": holds a run of unlazy train, which unlazy synthetic does not replace; "
          "choose another --out, or remove the folder yourself");
  EXPECT_EQ(files_in(folder), before);
}

TEST(RunDir, AListThatLeavesTheFolderIsRefused) {
  const ScratchFolder scratch;
  put(scratch / "precious.txt");
  put(scratch / "run/config.json", config("train", {"../precious.txt"}).dump());
  EXPECT_THROW(overwrite(scratch / "run", config("train", training_files())), Error);
  EXPECT_TRUE(fs::exists(scratch / "precious.txt"));
  for (const char* files : {"[\"\"]", "[\"a*a*a*a*b\"]", "[1]", "\"all\""}) {
    put(scratch / "run/config.json",
        std::string("{\"command\": \"train\", \"about\": {\"files\": ") + files + "}}");
    EXPECT_THROW(overwrite(scratch / "run", config("train", training_files())), Error) << files;
  }
  // Links to folders are not followed.
  fs::create_directory_symlink(scratch.path(), scratch / "run/link");
  put(scratch / "run/config.json", config("train", {"link/*", "*"}).dump());
  overwrite(scratch / "run", config("train", training_files()));
  EXPECT_TRUE(fs::exists(scratch / "precious.txt"));
}

TEST(RunDir, RunOfVersion010IsReplacedWhole) {
  const ScratchFolder scratch;
  const std::string folder = scratch / "run";
  make_run(folder);
  fs::remove_all(folder + "/prune-one-shot");
  put(folder + "/config.json", R"({"config-version": 1, "command": "train"})");
  overwrite(folder, config("train", training_files()));
  EXPECT_EQ(files_in(folder), "config.json ");
}

TEST(RunDir, LinksToFoldersOfTheUserStay) {
  const ScratchFolder scratch;
  const std::string folder = scratch / "run";
  RunDir(folder, Mode::kNew).begin(config("train", training_files()));
  put(scratch / "disk/00000004/meta.json");
  fs::create_directory_symlink(scratch / "disk", folder + "/checkpoints");
  overwrite(folder, config("train", training_files()));
  EXPECT_TRUE(fs::is_symlink(folder + "/checkpoints"));
  EXPECT_FALSE(fs::exists(scratch / "disk/00000004/meta.json"));
}

TEST(RunDir, StrayThingsAreNoCheckpoints) {
  const ScratchFolder scratch;
  const std::string folder = scratch / "run";
  for (const char* name :
       {"checkpoints/00000004/meta.json", "checkpoints/00000012/meta.json", "checkpoints/5",
        "checkpoints/00000007", "checkpoints/00000008.writing/meta.json", "checkpoints/notes.txt",
        "checkpoints/12345678901234567890/meta.json", "checkpoints/9/meta.json"})
    put(folder + "/" + name);
  make_folder(folder + "/checkpoints/00000006");
  EXPECT_EQ(RunDir::checkpoint_steps(folder), (std::vector<int64_t>{4, 12}));
}

TEST(RunDir, GoingOnTakesDoneAway) {
  const ScratchFolder scratch;
  make_run(scratch / "run");
  RunDir run(scratch / "run", Mode::kResume);
  EXPECT_TRUE(RunDir::is_done(run.path()));
  run.begin(config("train", training_files()));
  EXPECT_FALSE(RunDir::is_done(run.path()));
  EXPECT_TRUE(fs::exists(run.file("metrics.csv")));
}

TEST(RunDir, LeftoversOfKilledWritersAreCleaned) {
  const ScratchFolder scratch;
  const std::string folder = scratch / "run";
  make_run(folder);
  // No process has the greatest number that Linux allows; this one lives.
  const std::string mine = "/measure-4.json.tmp" + std::to_string(::getpid());
  for (const std::string& name : {std::string("/config.json.tmp4194304"), mine,
                                  std::string("/checkpoints/00000008.writing/meta.json.tmp4194304"),
                                  std::string("/thesis.tmp20240101")})
    put(folder + name);
  RunDir run(folder, Mode::kResume);
  run.begin(config("train", training_files()));
  EXPECT_FALSE(fs::exists(folder + "/config.json.tmp4194304"));
  EXPECT_FALSE(fs::exists(folder + "/checkpoints/00000008.writing/meta.json.tmp4194304"));
  EXPECT_TRUE(fs::exists(folder + mine));
  EXPECT_TRUE(fs::exists(folder + "/thesis.tmp20240101"));
}

// Nothing is removed when something in it cannot be.
TEST(RunDir, ACurveInUseKeepsItsRun) {
  const ScratchFolder scratch;
  const std::string folder = scratch / "run";
  make_run(folder);
  const auto before = files_in(folder);
  const FolderLock lock(folder + "/prune-one-shot");
  EXPECT_THROW(overwrite(folder, config("train", training_files())), Error);
  EXPECT_EQ(files_in(folder), before);
}

TEST(RunDir, ASeriesOfVersion010GoesOnAndIsReplaced) {
  const ScratchFolder scratch;
  const std::string folder = scratch / "compare";
  const auto mine = config("compare", {"statements.json", "seed#/kernel.safetensors", "seed#/*/"});
  make_run(folder + "/seed0/clean");
  put(folder + "/seed0/kernel.safetensors");
  put(folder + "/statements.json");
  EXPECT_THROW(RunDir(folder, Mode::kNew).begin(mine), Error);
  RunDir(folder, Mode::kResume).begin(mine);
  EXPECT_TRUE(fs::exists(folder + "/seed0/clean/metrics.csv"));
  fs::remove(folder + "/config.json");
  overwrite(folder, mine);
  EXPECT_EQ(files_in(folder), "config.json ");
}

TEST(RunDir, AFileInPlaceOfTheFolderIsNamed) {
  const ScratchFolder scratch;
  put(scratch / "run");
  expect_error([&] { RunDir(scratch / "run", Mode::kNew); },
               scratch / "run" +
                   std::string(": cannot be made: a file of that name is there; choose another "
                               "folder"));
}

}  // namespace
}  // namespace unlazy::train
