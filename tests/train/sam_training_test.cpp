// SAM inside a run: the same batch in both passes, BatchNorm, label noise, accumulation, bf16,
// clipping, resuming.
#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/files.h"
#include "core/safetensors.h"
#include "support/expect_error.h"
#include "support/program.h"
#include "support/scratch_folder.h"
#include "support/small_run.h"
#include "train/experiment.h"

namespace unlazy::train {
namespace {

using Tensors = std::vector<std::pair<std::string, at::Tensor>>;

TrainOptions sam_run(const std::string& optimizer, const std::string& model = "mlp") {
  auto o = testing::small_run();
  o.data.train_size = 48;
  o.model.name = model;
  o.model.hidden_width = 16;
  o.noise.kind = "flip";
  o.noise.rate = 0.4;
  o.optimizer.name = optimizer;
  o.optimizer.weight_decay = 1e-3;
  o.schedule.lr = 0.1;
  o.measure.names = {};
  return o;
}

Tensors after_steps(const TrainOptions& options, int64_t steps) {
  Experiment experiment(options);
  for (int64_t step = 0; step < steps; ++step) experiment.run_step(step);
  Tensors copies;
  for (const auto& [name, tensor] : experiment.named_tensors())
    copies.emplace_back(name, tensor.clone());
  return copies;
}

void expect_equal(const Tensors& a, const Tensors& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i)
    EXPECT_TRUE(at::equal(a[i].second, b[i].second)) << a[i].first;
}

// Without BatchNorm's running statistics, which the first pass moves in its own precision.
Tensors trained(Tensors tensors) {
  std::erase_if(
      tensors, [](const auto& entry) { return entry.first.find("running_") != std::string::npos; });
  return tensors;
}

double distance(const Tensors& a, const Tensors& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const auto d = (a[i].second - b[i].second).to(c10::kDouble);
    sum += (d * d).sum().item<double>();
  }
  return std::sqrt(sum);
}

// With rho = 0 the second pass repeats the first: equal weights mean the same crops and flipped
// labels, equal running statistics mean that only one pass moved them. In bf16 training the second
// pass is in fp32, from the images on: the weights are those of SGD in fp32.
TEST(SamTraining, ZeroRhoIsSgdBitForBit) {
  auto sgd = sam_run("sgd", "resnet20"), sam = sam_run("sam", "resnet20");
  sgd.batch.batch_size = sam.batch.batch_size = 8;
  sgd.compute.precision = sam.compute.precision = "fp32";
  sgd.optimizer.clip_norm = sam.optimizer.clip_norm = 0.5;
  sam.optimizer.sharpness.rho = 0;
  const auto of_sgd = after_steps(sgd, 3);
  expect_equal(of_sgd, after_steps(sam, 3));
  for (const std::string name : {"sam", "asam", "gsam"}) {
    SCOPED_TRACE(name);
    auto low = sam;
    low.optimizer.name = name;
    low.compute.precision = "bf16";
    expect_equal(trained(of_sgd), trained(after_steps(low, 3)));
    low.optimizer.sharpness.rho = 0.1;
    EXPECT_GT(distance(of_sgd, after_steps(low, 3)), 1e-3);
  }
}

// What rho means must not depend on the machine.
TEST(SamTraining, AutoPrecisionIsFp32) {
  for (const std::string name : {"sam", "asam", "gsam"}) {
    auto options = sam_run(name, "mlp");
    options.compute.precision = "auto";
    EXPECT_EQ(Experiment(options).compute().dtype, c10::kFloat) << name;
  }
}

// A batch of 16, and full-batch SAM.
TEST(SamTraining, AccumulationIsTheWholeBatch) {
  for (const auto& [name, batch] :
       {std::pair<std::string, int64_t>{"sam", 16}, {"asam", 16}, {"gsam", 16}, {"sam", 48}}) {
    auto whole = sam_run(name);
    whole.batch.batch_size = batch;
    auto parts = whole;
    parts.run.accumulate = 3;  // of 16: parts of 6, 6 and 4
    EXPECT_LT(distance(after_steps(whole, 4), after_steps(parts, 4)), 1e-12) << name;
  }
}

TEST(SamTraining, GroupsCountEverySampleOnce) {
  auto options = sam_run("sam");
  options.optimizer.sharpness.group_size = 4;
  Experiment experiment(options);
  experiment.run_step(0);
  EXPECT_EQ(experiment.step().totals().samples, 16);
  options.run.accumulate = 2;
  EXPECT_LT(distance(after_steps(options, 3),
                     [&] {
                       options.run.accumulate = 1;
                       return after_steps(options, 3);
                     }()),
            1e-12);
}

TEST(SamTraining, IntervalsTakeStepsOfTheBase) {
  auto sgd = sam_run("sgd"), sam = sam_run("sam");
  sam.optimizer.sharpness.start = Step::iterations(2);
  expect_equal(after_steps(sgd, 2), after_steps(sam, 2));
  EXPECT_GT(distance(after_steps(sgd, 3), after_steps(sam, 3)), 1e-6);
}

// Against the difference that SAM makes, bf16's rounding is small.
TEST(SamTraining, Bf16FollowsFp32) {
  for (const std::string name : {"sam", "asam", "gsam"}) {
    auto fine = sam_run(name), coarse = sam_run(name), sgd = sam_run("sgd");
    coarse.compute.precision = "bf16";
    fine.optimizer.sharpness.rho = coarse.optimizer.sharpness.rho = name == "asam" ? 5 : 0.5;
    fine.schedule.lr = coarse.schedule.lr = sgd.schedule.lr = 0.01;
    const auto a = after_steps(fine, 6), b = after_steps(coarse, 6), c = after_steps(sgd, 6);
    EXPECT_LT(distance(a, b), 0.25 * distance(a, c)) << name;
  }
}

std::vector<std::string> words(const std::string& out, const std::string& steps,
                               const std::vector<std::string>& more) {
  std::vector<std::string> list = {"train",
                                   "--data",
                                   "cifar10-sample",
                                   "--train-size",
                                   "48",
                                   "--batch",
                                   "16",
                                   "--model",
                                   "mlp",
                                   "--hidden-width",
                                   "16",
                                   "--noise",
                                   "flip",
                                   "--noise-rate",
                                   "0.4",
                                   "--optimizer",
                                   "sam",
                                   "--precision",
                                   "fp32",
                                   "--measure",
                                   "weight-norm",
                                   "--epochs",
                                   "3",
                                   "--max-steps",
                                   steps,
                                   "--measure-every",
                                   "1it",
                                   "--out",
                                   out,
                                   "--sam-interval",
                                   "2",
                                   "--rho-schedule",
                                   "linear"};
  list.insert(list.end(), more.begin(), more.end());
  return list;
}

TEST(SamTraining, ResumedRunEqualsTheUninterruptedOne) {
  const testing::ScratchFolder scratch;
  for (const std::string name : {"sam", "asam", "gsam", "sam-adamw"}) {
    const auto whole = scratch / (name + "-whole"), parts = scratch / (name + "-parts");
    std::vector<std::string> flags = {"--optimizer", name, "--momentum", "0.9", "--epochs", "2"};
    if (name == "sam-adamw") {
      flags = {"--optimizer", "sam", "--sam-base", "adamw", "--lr", "1e-3", "--epochs", "2"};
    }
    ASSERT_EQ(testing::run_program(words(whole, "6", flags)).exit_code, 0);
    // Interrupted: a run of the same length whose newest checkpoint is that of step 3.
    auto resume = words(parts, "6", flags);
    resume.insert(resume.end(), {"--checkpoint-every", "3it", "--keep-checkpoints", "0"});
    ASSERT_EQ(testing::run_program(resume).exit_code, 0);
    std::filesystem::remove_all(parts + "/checkpoints/00000006");
    std::filesystem::remove(parts + "/DONE");
    resume.push_back("--resume");
    ASSERT_EQ(testing::run_program(resume).exit_code, 0);
    for (const char* file : {"model.safetensors", "state.safetensors"}) {
      EXPECT_EQ(read_file(whole + "/checkpoints/00000006/" + file),
                read_file(parts + "/checkpoints/00000006/" + file))
          << name << " " << file;
    }
    const auto metrics = read_file(whole + "/metrics.csv");
    EXPECT_EQ(metrics, read_file(parts + "/metrics.csv")) << name;
    EXPECT_NE(metrics.find(",rho,"), std::string::npos);
  }
}

TEST(SamTraining, ErrorsOfTheProgram) {
  const auto failed = [](const std::vector<std::string>& flags) {
    const testing::ScratchFolder scratch;
    const auto result = testing::run_program(words(scratch / "run", "1", flags));
    EXPECT_EQ(result.exit_code, 2);
    return result.err;
  };
  EXPECT_EQ(failed({"--rho", "-0.1"}), "unlazy: --rho must be >= 0, got -0.1\n");
  EXPECT_EQ(failed({"--sam-m", "5"}), "unlazy: sam: --sam-m must divide --batch 16, got 5\n");
  EXPECT_EQ(failed({"--sam-base", "sdg"}),
            "unlazy: --sam-base: there is no 'sdg'; did you mean 'sgd'?\n");
}

}  // namespace
}  // namespace unlazy::train
