// What every measurement must hold: it leaves the run bit for bit as it was, gives finite numbers
// with names of their own, and the same again. A new line in the registry is tested with no further
// line here.
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <regex>
#include <set>

#include "command.h"
#include "core/files.h"
#include "support/small_run.h"
#include "train/experiment.h"

namespace unlazy::measure {
namespace {

using Case = std::tuple<std::string, std::string>;  // measurement, precision

train::TrainOptions run_of(const std::string& precision) {
  auto o = testing::small_run();
  o.data.train_size = 24;
  o.batch.batch_size = 8;
  o.model.name = "resnet20";
  o.model.block_widths.assign(9, 4);  // few channels: all its parts, a quarter of the time
  o.noise.kind = "flip";
  o.noise.rate = 0.2;
  o.compute.precision = precision;
  o.run.eval_batch = 6;
  o.measure.probe.samples = 8;
  o.measure.probe.probes = 2;
  o.measure.probe.lanczos_steps = 2;
  o.measure.probe.group = 4;
  return o;
}

std::vector<std::pair<std::string, at::Tensor>> everything(train::Experiment& experiment) {
  auto tensors = experiment.named_tensors();
  for (auto& buffer : experiment.optimizer().state()) tensors.push_back(buffer);
  tensors.emplace_back("gradients", experiment.parameters().gradients());
  tensors.emplace_back("sums", experiment.step().sums());
  for (auto& [name, tensor] : tensors) tensor = tensor.clone();
  return tensors;
}

void expect_equal(const std::vector<std::pair<std::string, at::Tensor>>& a,
                  const std::vector<std::pair<std::string, at::Tensor>>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i)
    EXPECT_TRUE(at::equal(a[i].second, b[i].second)) << a[i].first;
}

class MeasurementConformance : public ::testing::TestWithParam<Case> {};

// The row of src/measure/README.md that defines a measurement.
std::string row_of(const std::string& name) {
  const auto page = read_file(std::string(UNLAZY_SOURCE_DIR) + "/src/measure/README.md");
  const auto begin = page.find("\n| `" + name + "` | ");
  if (begin == std::string::npos) return "";
  return page.substr(begin + 1, page.find('\n', begin + 1) - begin - 1);
}

// "weight_norm/conv1" is `weight_norm/LAYER` there, "hessian_top_3" is `hessian_top_1`, ...
std::string name_on_page(std::string name) {
  name = std::regex_replace(name, std::regex("/relu[0-9]+$"), "/reluN");
  name = std::regex_replace(name, std::regex("/(?!reluN).*$"), "/LAYER");
  return std::regex_replace(name, std::regex("^hessian_top_[0-9]+$"), "hessian_top_1");
}

// Each measurement with formula, unit and cost, and the name of each value.
TEST(MeasurementPage, DefinesEachMeasurementAndEachValue) {
  train::Experiment experiment(run_of("fp32"));
  experiment.run_step(0);
  for (const auto& entry : registry().entries()) {
    const auto row = row_of(entry.name);
    EXPECT_EQ(std::count(row.begin(), row.end(), '|'), 6) << entry.name << ": " << row;
    for (const auto& [name, numbers] : to_host(entry.make(experiment.subject())))
      EXPECT_NE(row.find("`" + name_on_page(name) + "`"), std::string::npos)
          << entry.name << " gives " << name << ", which is not in its row: " << row;
  }
  EXPECT_NE(row_of("first-layer").find("`first_layer_escaped`"), std::string::npos)
      << "of networks of two layers";
}

// What the help says about costs stands on the page, too.
TEST(MeasurementPage, HasTheCostsOfTheHelp) {
  const auto command = tools::commands().find("measure").make();
  int num_costs = 0;
  for (const auto& choice : command->options().tables()[0].rows()[0].choices) {
    const auto at = choice.help.find("; costs ");
    if (at == std::string::npos) continue;
    ++num_costs;
    EXPECT_TRUE(row_of(choice.name).ends_with(" | " + choice.help.substr(at + 8) + " |"))
        << choice.name << ": " << choice.help;
  }
  EXPECT_GT(num_costs, 5);
}

TEST_P(MeasurementConformance, LeavesTheRunBitForBit) {
  const auto& [name, precision] = GetParam();
  const auto options = run_of(precision);
  train::Experiment measured(options), plain(options);
  const auto make = registry().find(name).make;
  measured.run_step(0);
  plain.run_step(0);
  const auto first = to_host(make(measured.subject()));
  expect_equal(everything(measured), everything(plain));
  EXPECT_EQ(first, to_host(make(measured.subject()))) << "the same point gives the same numbers";
  measured.run_step(1);
  plain.run_step(1);
  expect_equal(everything(measured), everything(plain));

  std::set<std::string> names;
  ASSERT_FALSE(first.empty());
  for (const auto& [value_name, numbers] : first) {
    EXPECT_TRUE(names.insert(value_name).second) << value_name << " stands twice";
    EXPECT_TRUE(std::all_of(numbers.begin(), numbers.end(), [](double x) {
      return std::isfinite(x);
    })) << value_name;
  }
}

std::vector<std::string> names() {
  std::vector<std::string> list;
  for (const auto& entry : registry().entries()) list.push_back(entry.name);
  return list;
}

INSTANTIATE_TEST_SUITE_P(All, MeasurementConformance,
                         ::testing::Combine(::testing::ValuesIn(names()),
                                            ::testing::Values("fp32", "bf16")),
                         [](const auto& test) {
                           auto name = std::get<0>(test.param) + "_" + std::get<1>(test.param);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace unlazy::measure
