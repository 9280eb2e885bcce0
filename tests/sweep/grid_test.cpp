// What a grid is: axes as they are written, points, names.
#include "sweep/grid.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/expect_error.h"

namespace unlazy::sweep {
namespace {

using testing::expect_misuse;
using Words = std::vector<std::string>;

Words values_of(const std::string& text) { return axes_from_words({"--a", text}).at(0).values; }

Words names_of(const Grid& grid, const std::string& base = "0") {
  check(grid);
  Words names;
  for (const auto& settings : points_of(grid, [&](const std::string&) { return base; }))
    names.push_back(point_name(settings));
  return names;
}

TEST(SweepGrid, ReadsListsAndRanges) {
  EXPECT_EQ(values_of("0,0.05,x"), (Words{"0", "0.05", "x"}));
  EXPECT_EQ(values_of("0..3"), (Words{"0", "1", "2", "3"}));
  EXPECT_EQ(values_of("100000..300000..100000"), (Words{"100000", "200000", "300000"}));
  EXPECT_EQ(values_of("0.1..0.4..0.1"), (Words{"0.1", "0.2", "0.3", "0.4"}));
  EXPECT_EQ(values_of("7,0..4..2"), (Words{"7", "0", "2", "4"}));
  EXPECT_EQ(values_of("../a,b..c"), (Words{"../a", "b..c"}));  // folders, no ranges
  const auto axes = axes_from_words({"--noise-rate=0,0.1", "--seed", "-1"});
  EXPECT_EQ(axes.at(0).option, "noise-rate");
  EXPECT_EQ(axes.at(1).values, Words{"-1"});
}

TEST(SweepGrid, RefusesWhatIsNoAxis) {
  expect_misuse([] { axes_from_words({"seed"}); },
                "sweep: 'seed' after -- is no axis; write --OPTION VALUE,VALUE,..");
  expect_misuse(
      [] {
        axes_from_words({"--seed", "--lr", "1"});
      },
      "sweep: the axis --seed needs values; write --seed VALUE,VALUE,..");
  expect_misuse([] { values_of("3..1"); },
                "sweep: --a: the range '3..1' holds nothing; it must ascend, with a step above 0");
  expect_misuse([] { values_of("1..x"); },
                "sweep: --a: '1..x' is no range; write FIRST..LAST or FIRST..LAST..STEP, such as "
                "0..4");
}

TEST(SweepGrid, TheLastAxisRunsFastest) {
  const Grid grid{{{"rate", {"0", "0.1"}}, {"seed", {"0", "1"}}}, {}, {}};
  EXPECT_EQ(names_of(grid),
            (Words{"rate=0,seed=0", "rate=0,seed=1", "rate=0.1,seed=0", "rate=0.1,seed=1"}));
}

TEST(SweepGrid, ZippedAxesVaryTogether) {
  Grid grid{{{"lr", {"1", "1"}}, {"seed", {"0", "1"}}, {"batch", {"64", "128"}}}, {}, {}};
  add_zip(grid, "batch+lr");
  EXPECT_EQ(names_of(grid), (Words{"lr=1,seed=0,batch=64", "lr=1,seed=1,batch=64",
                                   "lr=1,seed=0,batch=128", "lr=1,seed=1,batch=128"}));
  grid.axes[2].values.push_back("256");
  expect_misuse([&] { check(grid); },
                "sweep: zipped axes need as many values each, but --batch has 3 and --lr has 2");
  grid.zips = {{"lr", "bach"}};
  expect_misuse([&] { check(grid); },
                "sweep: zip names 'bach', which is no axis; did you mean 'batch'?");
}

TEST(SweepGrid, ConditionalAxesAreSetWhereTheyHold) {
  // The condition asks about an axis that comes later.
  Grid grid{{{"noise", {"flip", "pair"}}, {"rate", {"0", "0.1"}}}, {}, {}};
  add_condition(grid, "noise:rate>0");
  EXPECT_EQ(names_of(grid), (Words{"rate=0", "noise=flip,rate=0.1", "noise=pair,rate=0.1"}));
  // About an option that no axis sets.
  add_condition(grid, "rate:model=resnet18");
  EXPECT_EQ(names_of(grid, "mlp"), Words{"base"});
  add_condition(grid, "rate:noise=flip");
  expect_misuse([&] { check(grid); },
                "sweep: the conditions of --noise ask about each other in a circle");
}

TEST(SweepGrid, ComparesNumbersAsNumbers) {
  EXPECT_TRUE(holds(condition_from("a=0.10"), "0.1"));
  EXPECT_TRUE(holds(condition_from("a<=9"), "9") && holds(condition_from("a<10"), "9"));
  EXPECT_TRUE(holds(condition_from("a!=x"), "y") && holds(condition_from("a="), ""));
  EXPECT_FALSE(holds(condition_from("a>0"), "flip") || holds(condition_from("a>=2"), "1.5"));
  expect_misuse([] { condition_from("noise-rate"); },
                "sweep: 'noise-rate' is no condition; write an option, one of = != < <= > >=, and "
                "a value, such as noise-rate>0");
  expect_misuse([] { condition_from("a>b"); }, "sweep: the condition 'a>b' needs a number after >");
}

TEST(SweepGrid, RefusesAxesThatRepeat) {
  expect_misuse(
      [] {
        check({{{"a", {"1"}}, {"a", {"2"}}}, {}, {}});
      },
      "sweep: the axis --a stands there twice; give all its values at once");
  expect_misuse(
      [] {
        check({{{"a", {"1", "2", "1"}}}, {}, {}});
      },
      "sweep: the axis --a has the value 1 twice");
  const Axis many{"a", Words(400, "x")};
  expect_misuse(
      [&] {
        points_of({{many, {"b", many.values}}, {}, {}}, {});
      },
      "sweep: the grid has more than 100000 points; leave out axes or values");
}

TEST(SweepGrid, ReadsAFile) {
  const auto json = nlohmann::ordered_json::parse(R"({
    "axes": {"rate": [0, 0.1], "seed": "0..1", "measure": [["test", "norms"]], "lr": ["1", 2]},
    "zip": [["rate", "lr"]], "when": {"seed": ["rate>0", "lr<9"]}})");
  const auto grid = grid_from_json(json, "grid.json");
  EXPECT_EQ(grid.axes.at(1).values, (Words{"0", "1"}));
  EXPECT_EQ(grid.axes.at(2).values, Words{"test,norms"});
  EXPECT_EQ(grid.zips, std::vector<Words>({{"rate", "lr"}}));
  EXPECT_EQ(grid.when.at("seed").at(1).text(), "lr<9");
  const nlohmann::ordered_json large = {{"axes", {{"steps", {1e5, 0.5, 1e20}}}}};
  EXPECT_EQ(grid_from_json(large, "large").axes.at(0).values, (Words{"100000", "0.5", "1e+20"}));
  EXPECT_EQ(to_json(grid_from_json(to_json(grid), "again")), to_json(grid));
  expect_misuse(
      [] {
        grid_from_json({{"axis", 1}}, "g.json");
      },
      "g.json: there is no \"axis\" in a grid; did you mean 'axes'?");
  expect_misuse(
      [] {
        grid_from_json({{"axes", {{"a", 1}}}}, "g.json");
      },
      "g.json: axis \"a\" must be an array of values, or a string such as \"0..4\", "
      "got 1");
}

TEST(SweepGrid, NamesAreFileNames) {
  EXPECT_EQ(point_name({}), "base");
  EXPECT_EQ(point_name({{"run", "runs/a,b"}, {"m", "x:every=5it"}}),
            "run=runs%2Fa+b,m=x:every%3D5it");
  const auto a = point_name({{"weights", std::string(300, 'a') + "1"}}),
             b = point_name({{"weights", std::string(300, 'a') + "2"}});
  EXPECT_EQ(a.size(), 180u);
  EXPECT_NE(a, b);
}

}  // namespace
}  // namespace unlazy::sweep
