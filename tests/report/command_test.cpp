// `unlazy report`, as a user runs it: with runs of any name, without points, without space.
#include <gtest/gtest.h>

#include <filesystem>

#include "core/files.h"
#include "report/figure.h"
#include "support/program.h"
#include "support/scratch_folder.h"

namespace unlazy::report {
namespace {

namespace fs = std::filesystem;
using testing::run_program;
using testing::ScratchFolder;

void make_run(const std::string& folder, const std::string& rows) {
  make_folder(folder);
  write_file(folder + "/metrics.csv", "step,epoch,name,value\n" + rows);
}

const std::string kRows =
    "0,0,test_loss,2\n5,1,test_loss,1\n0,0,test_accuracy,0.1\n"
    "5,1,test_accuracy,0.2\n5,1,train_loss,2\n9,2,train_loss,1\n"
    "0,0,distance_from_init,0\n5,1,distance_from_init,1\n";

TEST(ReportCommand, ARunsNameIsNoCommandOfGnuplot) {
  if (!has_gnuplot()) GTEST_SKIP() << "gnuplot is not installed";
  const ScratchFolder scratch;
  const std::vector<std::string> names = {"x\nsystem(\"touch pwned\")\n#",
                                          "y'.system('touch pwned').'", "z\\", "`touch pwned`",
                                          "a_{b}^@&~"};
  std::vector<std::string> words = {"report", "--figures", scratch / "figures"};
  for (const auto& name : names) {
    make_run(scratch / name, kRows);
    words.push_back(scratch / name);
  }
  const auto result = run_program(words);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  for (const auto& entry : fs::recursive_directory_iterator(scratch.path()))
    EXPECT_NE(entry.path().filename(), "pwned");
  const auto svg = read_file(scratch / "figures/curves.svg");
  for (const char* shown : {"x system(\"touch pwned\") #", "y'.system('touch pwned').'", "z\\",
                            "`touch pwned`", "a_{b}^@&amp;~"})
    EXPECT_NE(svg.find(shown), std::string::npos) << shown;
}

// A file may hold 8 KiB here: the table and the script fit, the pictures do not.
TEST(ReportCommand, AFullDiskLeavesNoHalfPicture) {
  if (!has_gnuplot()) GTEST_SKIP() << "gnuplot is not installed";
  const ScratchFolder scratch;
  make_run(scratch / "run", kRows);
  const std::string report = "\"$1\" report " + scratch / "run" + " --figures " + scratch / "f";
  const auto shell = [](const std::string& script) {
    return testing::run_command({"bash", "-c", script, "bash", UNLAZY_PROGRAM});
  };
  const auto result = shell("ulimit -f 12; " + report);
  EXPECT_EQ(result.exit_code, 1) << result.out;
  EXPECT_NE(result.err.find("the picture is not whole; is the disk full?"), std::string::npos)
      << result.err;
  std::string left;
  for (const auto& entry : fs::directory_iterator(scratch / "f"))
    left += entry.path().extension().string();
  EXPECT_TRUE(left == ".csv.gp" || left == ".gp.csv") << left;
  EXPECT_EQ(shell(report).exit_code, 0);
  EXPECT_TRUE(fs::exists(scratch / "f/curves.png"));
  EXPECT_EQ(shell(report + " > /dev/full").exit_code, 1);
}

TEST(ReportCommand, ARunOfNoEpochsIsDrawnAndWhatIsEmptyIsSaid) {
  const ScratchFolder scratch;
  make_run(scratch / "run", "0,0,test_loss,2\n0,0,test_accuracy,0.1\n0,0,distance_from_init,0\n");
  const auto result = run_program({"report", scratch / "run", "--figures", scratch / "figures"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.out.find("note: no run has points of: Training loss, noise included\n"),
            std::string::npos)
      << result.out;
  if (!has_gnuplot()) GTEST_SKIP() << "gnuplot is not installed";
  EXPECT_NE(read_file(scratch / "figures/curves.svg").find("no points: run"), std::string::npos);
}

// Data and scripts are there, one line says what to install, and the command has done its work.
TEST(ReportCommand, WithoutGnuplotDataAndScriptsAreWritten) {
  const ScratchFolder scratch;
  make_run(scratch / "run", kRows);
  const auto without_gnuplot = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"/usr/bin/env", "PATH=" + scratch / "nowhere", UNLAZY_PROGRAM});
    return testing::run_command(words);
  };
  const auto expect_note = [&](const testing::ProgramResult& result, const std::string& folder,
                               const std::string& scripts) {
    EXPECT_EQ(result.exit_code, 0) << result.err;
    const std::string note =
        "note: gnuplot is not installed, so nothing was drawn; the data and "
        "scripts are in " +
        folder +
        ": install gnuplot (Debian: apt install "
        "gnuplot-nox), go there and run gnuplot " +
        scripts + "\n";
    const auto at = result.out.find(note);
    EXPECT_NE(at, std::string::npos) << result.out;
    EXPECT_EQ(result.out.find("gnuplot", at + note.size()), std::string::npos) << "one line";
  };
  expect_note(without_gnuplot({"report", scratch / "run", "--figures", scratch / "f"}),
              scratch / "f", "curves.gp");
  EXPECT_TRUE(fs::exists(scratch / "f/curves.csv") && fs::exists(scratch / "f/curves.gp"));
  EXPECT_FALSE(fs::exists(scratch / "f/curves.pdf"));
  const auto synthetic = scratch / "synthetic";
  expect_note(without_gnuplot({"synthetic", "--width", "20", "--dim", "4", "--samples", "10",
                               "--steps", "100", "--out", synthetic}),
              synthetic + "/figures", "dynamics.gp escape.gp norms.gp overlay.gp");
  EXPECT_TRUE(fs::exists(synthetic + "/figures/dynamics.csv"));
  EXPECT_TRUE(fs::exists(synthetic + "/DONE"));
}

TEST(ReportCommand, AFolderOfRunsStandsForItsRuns) {
  const ScratchFolder scratch;
  const auto compare = scratch / "compare";
  make_run(compare + "/seed0/clean", kRows);
  make_run(compare + "/seed0/noise", kRows);
  write_file(compare + "/config.json", R"({"command": "compare"})");
  for (const auto& folder : {compare, compare + "/seed0"}) {
    const auto result = run_program({"report", folder});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_NE(result.out.find("\n" + compare + "/seed0/clean "), std::string::npos) << result.out;
    EXPECT_NE(result.out.find("\n" + compare + "/seed0/noise "), std::string::npos) << result.out;
  }
}

TEST(ReportCommand, WhatIsNoRunIsSkippedAndSaid) {
  const ScratchFolder scratch;
  make_run(scratch / "run", kRows);
  make_folder(scratch / "empty");
  auto result = run_program({"report", scratch / "empty", scratch / "run", scratch / "none"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.out.find("skipped: " + scratch / "empty" +
                            ": holds no run (no metrics.csv in it or below)\n"),
            std::string::npos)
      << result.out;
  EXPECT_NE(result.out.find("skipped: " + scratch / "none" + ": does not exist\n"),
            std::string::npos);
  result = run_program({"report", scratch / "empty", scratch / "none"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.err, "unlazy: report: no run in " + scratch / "empty" + ", " + scratch / "none" +
                            "; name folders that unlazy train wrote\n");
  const auto synthetic = scratch / "synthetic";
  make_folder(synthetic);
  write_file(synthetic + "/config.json", R"({"command": "synthetic"})");
  result = run_program({"report", synthetic});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.err, "unlazy: " + synthetic +
                            ": is a folder of unlazy synthetic, not a run; see what is in " +
                            synthetic + "\n");
}

// A run that has just begun or was damaged does not keep the others from being shown.
TEST(ReportCommand, ABadTableEndsWhereItIsBad) {
  const ScratchFolder scratch;
  make_run(scratch / "good", kRows);
  make_run(scratch / "torn", kRows + std::string("no row\n"));
  make_run(scratch / "begun", "");
  write_file(scratch / "begun/metrics.csv", "");
  make_run(scratch / "other", "");
  write_file(scratch / "other/metrics.csv", "a,b\n");
  const auto result = run_program({"report", scratch.path()});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  for (const char* shown : {"good", "torn", "begun"})
    EXPECT_NE(result.out.find("\n" + scratch / shown + " "), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("\nskipped: " + scratch / "other" + ": "), std::string::npos)
      << result.out;
}

TEST(ReportCommand, CurvesAreChosenForTables) {
  const ScratchFolder scratch;
  make_run(scratch / "run", kRows);
  const auto result = run_program({"report", scratch / "run", "--curves", "test_loss"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.err,
            "unlazy: report: --curves chooses the curves of --latex and --markdown; give one of "
            "these, or leave --curves out\n");
}

TEST(ReportCommand, WritesPageAndTables) {
  const ScratchFolder scratch;
  make_run(scratch / "run", kRows);
  const auto result = run_program({"report", scratch / "run", scratch / "none", "--out",
                                   scratch / "new/page.html", "--csv", scratch / "t.csv", "--latex",
                                   scratch / "t.tex", "--markdown", scratch / "t.md"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(read_file(scratch / "new/page.html").find("\"does not exist\""), std::string::npos);
  EXPECT_NE(read_file(scratch / "t.csv").find("test_accuracy,1,0.2,"), std::string::npos);
  EXPECT_NE(read_file(scratch / "t.tex").find("\\bottomrule"), std::string::npos);
  EXPECT_NE(read_file(scratch / "t.md").find("| test accuracy, last |"), std::string::npos);
  EXPECT_NE(result.out.find("skipped: " + scratch / "none"), std::string::npos);
  EXPECT_EQ(run_program({"report", scratch / "run", "--out", "/dev/full/page.html"}).exit_code, 1);
}

}  // namespace
}  // namespace unlazy::report
