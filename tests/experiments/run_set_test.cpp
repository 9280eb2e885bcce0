// Finding runs, grouping them, and the numbers at their ends.
#include "experiments/runs/run_set.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "experiments/runs/final_table.h"
#include "experiments/runs/run_config.h"
#include "experiments/runs/run_groups.h"
#include "support/expect_error.h"
#include "support/fake_runs.h"
#include "support/scratch_folder.h"

namespace unlazy::experiments {
namespace {

using Json = nlohmann::ordered_json;
using testing::FakeRun;
using testing::ScratchFolder;
using testing::write_fake_run;

FakeRun run_with_accuracy(double rate, int64_t seed, double end) {
  return {.noise_rate = rate,
          .seed = seed,
          .curves = {{"test_accuracy", [end](double epoch) { return end * epoch / 10; }}}};
}

TEST(RunSet, FindsRunsAtAnyDepthAndSaysWhatIsSkipped) {
  const ScratchFolder scratch;
  write_fake_run(scratch / "sweep/b", run_with_accuracy(0.1, 0, 0.5));
  write_fake_run(scratch / "sweep/a/deep", run_with_accuracy(0, 0, 0.5));
  write_fake_run(scratch / "sweep/a/checkpoints/x", run_with_accuracy(0, 1, 0.5));
  write_fake_run(scratch / "sweep/prune/level-01/train", run_with_accuracy(0, 2, 0.5));
  make_folder(scratch / "empty");
  make_folder(scratch / "begun");
  write_file(scratch / "begun/config.json", R"({"command": "train"})");
  const auto set = find_runs({scratch / "sweep/", scratch / "none", scratch / "empty",
                              scratch / "begun", scratch / "sweep/b"});
  ASSERT_EQ(set.runs.size(), 2u) << "each once; those of checkpoints and levels are none";
  EXPECT_EQ(set.runs[0].folder, scratch / "sweep/a/deep");
  EXPECT_EQ(set.runs[1].folder, scratch / "sweep/b");
  EXPECT_EQ(set.runs[1].name, "b");
  EXPECT_EQ(set.runs[1].num_steps, 50);
  EXPECT_TRUE(set.runs[1].is_done);
  ASSERT_EQ(set.skipped.size(), 3u);
  EXPECT_EQ(set.skipped[0].reason, "does not exist");
  EXPECT_EQ(set.skipped[1].reason, "holds no run (no metrics.csv in it or below)");
  EXPECT_EQ(set.skipped[2].reason, "has no metrics.csv yet");
}

TEST(RunSet, ARunThatCannotBeReadIsSkippedAndTheOthersAreShown) {
  const ScratchFolder scratch;
  write_fake_run(scratch / "good", run_with_accuracy(0, 0, 0.5));
  write_fake_run(scratch / "torn", run_with_accuracy(0, 1, 0.5));
  write_file(scratch / "torn/config.json", "{");
  write_fake_run(scratch / "other", run_with_accuracy(0, 2, 0.5));
  write_file(scratch / "other/metrics.csv", "a,b\n1,2\n");
  const auto set = find_runs({scratch.path()});
  ASSERT_EQ(set.runs.size(), 1u);
  EXPECT_EQ(set.runs[0].name, "good");
  EXPECT_EQ(set.skipped.size(), 2u);
}

TEST(RunSet, AFolderWithoutOptionsIsAGroupOfItsOwn) {
  const ScratchFolder scratch;
  for (const char* name : {"a", "b"}) {
    write_fake_run(scratch / name, run_with_accuracy(0, 0, 0.5));
    std::filesystem::remove(scratch / name + "/config.json");
  }
  auto set = find_runs({scratch.path()});
  EXPECT_EQ(groups_of(set).size(), 2u);
}

TEST(RunConfig, OlderFilesAreAtTheDefaults) {
  const auto before = settings_in(Json{{"command", "train"}, {"seed", 3}});
  const auto now = settings_in(Json{{"command", "train"}, {"momentum", 0.0}, {"lr", 0.1}});
  EXPECT_EQ(before, now);
  EXPECT_FALSE(before.contains("seed"));
  EXPECT_FALSE(before.contains("threads")) << "how it is computed does not tell results apart";
}

TEST(RunConfig, CommandHasWhatIsNotAtItsDefault) {
  const Json config = {{"command", "train"}, {"noise", "flip"}, {"noise-rate", 0.1},
                       {"momentum", 0.0},    {"threads", 2},    {"out", "runs/a b"}};
  EXPECT_EQ(command_of(config), "unlazy train --noise flip --noise-rate 0.1 --out 'runs/a b'");
}

TEST(RunConfig, NoiseRateIsThatOfLabels) {
  EXPECT_EQ(noise_rate_in(settings_in(Json{{"noise", "none"}})), 0.0);
  EXPECT_EQ(noise_rate_in(settings_in(Json{{"noise", "flip"}, {"noise-rate", 0.2}})), 0.2);
  EXPECT_FALSE(noise_rate_in(settings_in(Json{{"noise", "gaussian"}, {"noise-sigma", 0.2}})));
}

Settings with(const std::string& rate, const std::string& lr) {
  return {{"noise", rate == "0" ? "none" : "flip"},
          {"noise-rate", rate},
          {"lr", lr},
          {"noise-sigma", "0"}};
}

TEST(RunGroups, SeedsAreOneGroupAndNamesSayOnlyWhatDiffers) {
  const auto made = grouped({{with("0.1", "0.1"), 2},
                             {with("0", "0.1"), 0},
                             {with("0.05", "0.1"), 0},
                             {with("0.1", "0.1"), 0},
                             {with("0.1", "0.1"), 2}});
  ASSERT_EQ(made.groups.size(), 3u);
  EXPECT_EQ(made.groups[0].name, "noise-rate 0") << "sorted as numbers; 'noise' says nothing new";
  EXPECT_EQ(made.groups[1].name, "noise-rate 0.05");
  EXPECT_EQ(made.groups[2].name, "noise-rate 0.1");
  EXPECT_EQ(made.groups[2].seeds, (std::vector<int64_t>{0, 2}));
  EXPECT_EQ(made.groups[2].members, (std::vector<size_t>{3, 0}));
  EXPECT_EQ(made.repeats, (std::vector<std::pair<size_t, size_t>>{{4, 0}}));
  EXPECT_EQ(made.groups[2].noise_rate, 0.1);
  EXPECT_EQ(grouped({{with("0.1", "0.1"), 0}}).groups[0].name, "all runs");
  EXPECT_EQ(grouped({{with("0.1", "0.1"), 0}, {with("0.1", "0.2"), 0}}).groups[1].name, "lr 0.2");
  EXPECT_EQ(
      grouped({{with("0.1", "10"), 0}, {with("0", "9"), 0}, {with("0.1", "9"), 0}}).groups[1].name,
      "noise-rate 0.1, lr 9");
}

TEST(RunGroups, BaselineHasAllOtherSettings) {
  const auto groups =
      grouped({{with("0", "0.1"), 0}, {with("0", "0.2"), 0}, {with("0.1", "0.2"), 0}}).groups;
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_EQ(baseline_of(groups[2], groups), &groups[1]);
  EXPECT_EQ(baseline_of(groups[0], groups), nullptr);
  const auto lonely = grouped({{with("0", "0.1"), 0}, {with("0.1", "0.2"), 0}}).groups;
  EXPECT_EQ(baseline_of(lonely[1], lonely), nullptr);
}

TEST(RunGroups, PairsAreOfOneSeed) {
  const auto groups = grouped({{with("0", "1"), 5},
                               {with("0", "1"), 1},
                               {with("0.1", "1"), 1},
                               {with("0.1", "1"), 7},
                               {with("0.1", "1"), 5}})
                          .groups;
  const auto pairs = pairs_of(groups[1], groups[0]);
  EXPECT_EQ(pairs.seeds, (std::vector<int64_t>{1, 5}));
  EXPECT_EQ(pairs.a, (std::vector<size_t>{2, 4}));
  EXPECT_EQ(pairs.b, (std::vector<size_t>{1, 0}));
}

TEST(FinalTable, EndsOfACurve) {
  const report::Curve curve{{0, 10, 90, 95, 100}, {0, 1, 9, 9.5, 10}, {0.1, 0.9, 0.4, 0.6, 0.5}};
  const auto accuracy = end_of_curve("test_accuracy", curve);
  EXPECT_EQ(accuracy.last, 0.5);
  EXPECT_DOUBLE_EQ(accuracy.tenth, 0.5) << "steps 90 to 100";
  EXPECT_EQ(accuracy.best, 0.9);
  EXPECT_EQ(end_of_curve("test_loss", curve).best, 0.1);
  EXPECT_TRUE(std::isnan(end_of_curve("weight_norm", curve).best));
}

TEST(FinalTable, AsCsvLatexAndMarkdown) {
  const ScratchFolder scratch;
  write_fake_run(scratch / "a0", run_with_accuracy(0, 0, 0.5));
  write_fake_run(scratch / "a1", run_with_accuracy(0, 1, 0.7));
  write_fake_run(scratch / "b0", run_with_accuracy(0.1, 0, 0.8));
  auto set = find_runs({scratch.path()});
  const auto table = final_table(set, groups_of(set));
  const auto csv = table_as_csv(table);
  EXPECT_EQ(csv.substr(0, csv.find('\n')),
            "noise-rate,curve,n,last_mean,last_se,last_sd,tenth_mean,tenth_se,tenth_sd,best_mean,"
            "best_se,best_sd,state");
  EXPECT_NE(csv.find("\n0,test_accuracy,2,0.6,0.09999999999999998,0.14142135623730948,"),
            std::string::npos)
      << csv;
  EXPECT_NE(csv.find("\n0.1,test_accuracy,1,0.8,,,"), std::string::npos) << csv;
  const auto markdown = table_as_markdown(table, {"test_accuracy"});
  EXPECT_NE(markdown.find("| 0 | 2 | 0.60 ± 0.10 | 0.570 ± 0.095 | 0.60 ± 0.10 |"),
            std::string::npos)
      << markdown;
  const auto latex = table_as_latex(table, {"test_accuracy"});
  EXPECT_NE(latex.find("0.1 & 1 & 0.8 & 0.76 & 0.8 \\\\"), std::string::npos) << latex;
  EXPECT_NE(latex.find("0 & 2 & 0.60$ \\pm $0.10 & "), std::string::npos) << latex;
  testing::expect_misuse([&] { table_as_latex(table, {"test_acuracy"}); },
                         "report: no run has the curve test_acuracy; did you mean "
                         "'test_accuracy'?");
}

// Half of a training is no end of it.
TEST(FinalTable, RunsThatHaveNotFinishedAreLeftOutOrMarked) {
  const ScratchFolder scratch;
  auto unfinished = run_with_accuracy(0, 1, 0.7);
  unfinished.is_done = false;
  write_fake_run(scratch / "a0", run_with_accuracy(0, 0, 0.5));
  write_fake_run(scratch / "a1", unfinished);
  unfinished = run_with_accuracy(0.1, 0, 0.8);
  unfinished.is_done = false;
  write_fake_run(scratch / "b0", unfinished);
  auto set = find_runs({scratch.path()});
  const auto table = final_table(set, groups_of(set));
  EXPECT_EQ(table.rows[0].at("test_accuracy").last.mean, 0.5);
  EXPECT_EQ(table.rows[1].at("test_accuracy").last.mean, 0.8);
  EXPECT_EQ(runs_text(table, 0), "1 (1 unfinished left out)");
  EXPECT_EQ(runs_text(table, 1), "1 (unfinished)");
  const auto csv = table_as_csv(table);
  EXPECT_NE(csv.find("\n0,test_accuracy,1,0.5,"), std::string::npos) << csv;
  EXPECT_NE(csv.find(",finished\n"), std::string::npos) << csv;
  EXPECT_TRUE(csv.ends_with(",unfinished\n")) << csv;
}

TEST(FinalTable, ACellSaysHowManySeedsItHasWhereNotAllHaveTheCurve) {
  const ScratchFolder scratch;
  auto with_loss = run_with_accuracy(0, 0, 0.5);
  with_loss.curves["test_loss"] = [](double) { return 2.0; };
  write_fake_run(scratch / "a0", with_loss);
  write_fake_run(scratch / "a1", run_with_accuracy(0, 1, 0.5));
  auto set = find_runs({scratch.path()});
  const auto text = table_as_markdown(final_table(set, groups_of(set)), {"test_loss"});
  EXPECT_NE(text.find("| 2 | 2 (n = 1) | 2 (n = 1) | 2 (n = 1) |"), std::string::npos) << text;
}

TEST(FinalTable, WhatIsNotOursIsNoMarkup) {
  FinalTable table;
  table.groups.resize(1);
  table.groups[0].options = {{"data", "a_b&50%|\\x"}};
  table.runs.resize(1);
  table.rows.resize(1);
  EXPECT_NE(table_as_latex(table, {}).find("a\\_b\\&50\\%|\\textbackslash{}x & "),
            std::string::npos);
  EXPECT_NE(table_as_markdown(table, {}).find("a\\_b&50%\\|\\\\x"), std::string::npos);
  EXPECT_EQ(with_error(0.81234, 0.00456), "0.8123 ± 0.0046");
  EXPECT_EQ(with_error(1234.5, 67.8), "1234 ± 68");
  EXPECT_EQ(with_error(0.5, NAN), "0.5");
  EXPECT_EQ(with_error(NAN, 1), "-");
}

}  // namespace
}  // namespace unlazy::experiments
