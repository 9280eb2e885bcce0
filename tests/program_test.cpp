// The program as a whole: exit codes and where it writes what.
#include <gtest/gtest.h>

#include <filesystem>

#include "support/program.h"
#include "support/scratch_folder.h"

namespace unlazy {
namespace {

using testing::run_program;

TEST(Program, MisuseIsExitCodeTwo) {
  const auto result = run_program({"trian"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err, "unlazy: command: there is no 'trian'; did you mean 'train'?\n");
}

TEST(Program, OverviewIsOnStandardOutput) {
  const auto result = run_program({"--help"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.err, "");
  EXPECT_NE(result.out.find("\n  info"), std::string::npos) << result.out;
}

TEST(Program, HelpIsFoundInEachPlace) {
  const auto text = [](const std::vector<std::string>& words) {
    const auto result = run_program(words);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.out;
  };
  const auto section = text({"help", "train", "sam"});
  EXPECT_TRUE(section.starts_with("usage: unlazy train [options]\n\nSharpness-aware minimisation"))
      << section;
  EXPECT_EQ(section, text({"train", "--help", "sam"}));
  EXPECT_EQ(text({"help", "bench", "train"}), text({"bench", "train", "-h"}));
  EXPECT_LT(text({"help", "train"}).size(), text({"train", "--help-all"}).size());
}

TEST(Program, HelpNamesTheSectionsWhereThereIsNone) {
  const auto result = run_program({"help", "report", "nosuch"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err.find("unlazy: report: the options have no section 'nosuch'; the sections"),
            0u)
      << result.err;
}

// Nothing is read or computed first: there is no data set in this folder.
TEST(Program, AnImpossibleOutputFolderIsNoticedBeforeWork) {
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"train", "--data-dir", "/none"},
        {"compare", "--data-dir", "/none", "--noise", "flip", "--noise-rate", "0.5"},
        {"synthetic", "--preset", "fig2"}}) {
    auto words = command;
    words.insert(words.end(), {"--out", "/dev/null/none"});
    const auto result = run_program(words);
    EXPECT_EQ(result.exit_code, 1) << command[0];
    EXPECT_EQ(result.err,
              "unlazy: /dev/null/none: cannot be made: /dev/null is a file; choose another "
              "folder\n");
  }
}

// What a shell does with `| head -1`, `> /dev/full` and `>&-`. Without the spin count that ctest
// sets, so that the program starts itself again, as it does for a user.
testing::ProgramResult run_in_shell(const std::string& script) {
  return testing::run_command(
      {"env", "-u", "GOMP_SPINCOUNT", "bash", "-c", script, "bash", UNLAZY_PROGRAM});
}

constexpr const char* kTraining =
    "\"$1\" train --data cifar10-sample --model mlp --hidden-width 8 --precision fp32 --train-size "
    "32 "
    "--batch 16 --test-size 16 --epochs 3 --out ";

TEST(Program, AClosedPipeDoesNotEndARun) {
  const testing::ScratchFolder scratch;
  const auto result =
      run_in_shell(kTraining + scratch / "run" + " | head -1; exit ${PIPESTATUS[0]}");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(std::filesystem::exists(scratch / "run/DONE"));
}

TEST(Program, AFolderInPlaceOfTheLogIsNamed) {
  const testing::ScratchFolder scratch;
  std::filesystem::create_directories(scratch / "run/log.txt");
  const auto result = run_in_shell(kTraining + scratch / "run");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.err, "unlazy: " + scratch / "run/log.txt" +
                            ": cannot be opened for writing; is it a folder, or may it not be "
                            "written to?\n");
}

TEST(Program, AFullDiskBehindStandardOutputIsAFailure) {
  const testing::ScratchFolder scratch;
  for (const std::string& command :
       {std::string(kTraining) + scratch / "run", std::string("\"$1\" --help")}) {
    const auto result = run_in_shell(command + " > /dev/full");
    EXPECT_EQ(result.exit_code, 1) << command;
    EXPECT_EQ(result.err,
              "unlazy: standard output cannot be written; is the disk full? What was written to "
              "other files is complete\n");
  }
  EXPECT_TRUE(std::filesystem::exists(scratch / "run/DONE"));
}

TEST(Program, ClosedDescriptorsDoNotReachTheFilesOfARun) {
  const testing::ScratchFolder scratch;
  EXPECT_EQ(run_in_shell(kTraining + scratch / "closed" + " <&- >&- 2>&-").exit_code, 0);
  EXPECT_EQ(run_in_shell(kTraining + scratch / "open").exit_code, 0);
  const auto events = "/events.out.tfevents.0.unlazy";
  EXPECT_EQ(std::filesystem::file_size(scratch / "closed" + events),
            std::filesystem::file_size(scratch / "open" + events));
}

}  // namespace
}  // namespace unlazy
