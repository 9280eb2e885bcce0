// sweep.json: what is recorded, how a sweep may grow, and what is refused.
#include "sweep/plan.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/files.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"

namespace unlazy::sweep {
namespace {

using testing::expect_misuse;
using testing::ScratchFolder;
using Words = std::vector<std::string>;

Plan plan_of(std::vector<Axis> axes, std::map<std::string, std::string> base = {}) {
  Plan plan;
  plan.command = "train";
  plan.arguments = {"--epochs", "2"};
  plan.base = {{"epochs", "2"}, {"lr", "0.1"}, {"seed", "0"}};
  for (const auto& [option, value] : base) plan.base[option] = value;
  plan.grid.axes = std::move(axes);
  make_points(plan);
  return plan;
}

Words names_of(const Plan& plan) {
  Words names;
  for (const auto& point : plan.points) names.push_back(point.name);
  return names;
}

TEST(SweepPlan, IsReadAsItWasRecorded) {
  const ScratchFolder scratch;
  const SweepFolder folder(scratch / "sweep");
  auto plan = plan_of({{"seed", {"0", "1"}}, {"noise", {"flip", "pair"}}});
  add_condition(plan.grid, "noise:seed>0");
  plan.points.clear();
  make_points(plan);
  record_plan(folder, plan);
  const auto read = read_plan(folder);
  EXPECT_EQ(names_of(read), (Words{"seed=0", "seed=1,noise=flip", "seed=1,noise=pair"}));
  EXPECT_EQ(read.points.back().set, plan.points.back().set);
  EXPECT_EQ(read.arguments, plan.arguments);
  EXPECT_EQ(read.base, plan.base);
  const auto text = read_file(folder.plan());
  record_plan(folder, plan);
  EXPECT_EQ(read_file(folder.plan()), text);
}

TEST(SweepPlan, MoreValuesRenameAndMoveNothing) {
  const auto before = plan_of({{"seed", {"0", "1"}}, {"lr", {"1"}}});
  const auto now = grown(before, plan_of({{"lr", {"2", "1"}}, {"seed", {"2", "1", "0"}}}), "f");
  EXPECT_EQ(names_of(now), (Words{"seed=0,lr=1", "seed=1,lr=1", "seed=0,lr=2", "seed=1,lr=2",
                                  "seed=2,lr=1", "seed=2,lr=2"}));
}

// The older points are those where the new axis has the value that they were made with.
TEST(SweepPlan, ANewAxisKeepsTheNamesOfOlderPoints) {
  const auto before = plan_of({{"seed", {"0", "1"}}});
  const auto now = grown(before, plan_of({{"seed", {"0", "1"}}, {"lr", {"0.2", "0.1"}}}), "f");
  EXPECT_EQ(names_of(now), (Words{"seed=0", "seed=1", "seed=0,lr=0.2", "seed=1,lr=0.2"}));
  EXPECT_EQ(now.points[0].set, (Settings{{"seed", "0"}, {"lr", "0.1"}}));
  // And again, with one more.
  const auto later = grown(now, plan_of({{"seed", {"0", "1"}}, {"lr", {"0.2", "0.1", "3"}}}), "f");
  EXPECT_EQ(names_of(later).back(), "seed=1,lr=3");
  EXPECT_EQ(names_of(later).front(), "seed=0");
  expect_misuse(
      [&] {
        grown(before, plan_of({{"seed", {"0", "1"}}, {"lr", {"0.2", "0.3"}}}), "f");
      },
      "f: its runs have --lr 0.1, so the new axis --lr must have that value too");
}

TEST(SweepPlan, AnotherSweepIsRefused) {
  const auto before = plan_of({{"seed", {"0", "1"}}, {"rate", {"0"}}});
  const auto refused = [&](const Plan& now, const std::string& text) {
    expect_misuse([&] { grown(before, now, "runs/s"); }, text);
  };
  refused(plan_of({{"seed", {"0", "1"}}, {"rate", {"0"}}}, {{"lr", "0.3"}}),
          "runs/s: its sweep was begun with --lr 0.1, but this command has 0.3; give what it was "
          "begun with, or choose another --out");
  // An option that the program did not have when the sweep was begun.
  auto newer = plan_of({{"seed", {"0", "1"}}, {"rate", {"0"}}}, {{"decay", "0.3"}});
  newer.defaults = {{"decay", "0"}};
  refused(newer,
          "runs/s: its sweep was begun by an unlazy without --decay, so it has 0, but this command "
          "has 0.3; give what it was begun with, or choose another --out");
  newer.base["decay"] = "0";
  EXPECT_EQ(names_of(grown(before, newer, "runs/s")), names_of(before));
  refused(plan_of({{"seed", {"0", "1"}}}),
          "runs/s: its sweep has the axis --rate, which this command lacks; give what it was begun "
          "with, or choose another --out");
  refused(plan_of({{"seed", {"0"}}, {"rate", {"0"}}}),
          "runs/s: its sweep has --seed 1, which this command lacks; values may be added, not "
          "taken away");
  auto zipped = plan_of({{"seed", {"0", "1"}}, {"rate", {"0", "1"}}});
  add_zip(zipped.grid, "seed+rate");
  refused(zipped,
          "runs/s: its sweep zips or conditions the axis --seed in another way; give what it was "
          "begun with, or choose another --out");
  auto compare = plan_of({{"seed", {"0", "1"}}, {"rate", {"0"}}});
  compare.command = "compare";
  refused(compare,
          "runs/s: holds a sweep of unlazy train, not of unlazy compare; choose another --out");
}

TEST(SweepPlan, RefusesFoldersOfOtherKinds) {
  const ScratchFolder scratch;
  const SweepFolder folder(scratch.path());
  expect_misuse(
      [&] { read_plan(folder); },
      scratch.path() + ": holds no sweep (no sweep.json); name the --out of unlazy sweep");
  write_file(scratch / "config.json", "{}");
  expect_misuse(
      [&] {
        record_plan(folder, plan_of({{"seed", {"0"}}}));
      },
      scratch.path() + ": holds a run, not a sweep; choose another --out");
}

}  // namespace
}  // namespace unlazy::sweep
