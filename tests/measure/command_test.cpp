// `unlazy measure` and --measure NAME:every=LENGTH, as a user runs them.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "command.h"
#include "core/error.h"
#include "core/files.h"
#include "core/options.h"
#include "support/program.h"
#include "support/scratch_folder.h"

namespace unlazy::measure {
namespace {

using testing::run_program;
using testing::ScratchFolder;

// A command inside this process, which saves the start of the program: for what a test needs first,
// and for messages.
int run_here(std::vector<std::string> words) {
  const auto command = tools::take_command(words);
  const auto rest = command->parse(words);
  command->options().refuse_without_effect();
  return command->run(rest);
}

std::string message_of(const std::vector<std::string>& words,
                       Error::Kind kind = Error::Kind::kMisuse) {
  try {
    run_here(words);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind);
    return error.what();
  }
  return "no error";
}

std::vector<std::string> train_words(const std::string& out, std::vector<std::string> more = {}) {
  std::vector<std::string> words = {"train",
                                    "--data",
                                    "cifar10-sample",
                                    "--train-size",
                                    "32",
                                    "--test-size",
                                    "16",
                                    "--batch",
                                    "16",
                                    "--model",
                                    "mlp",
                                    "--hidden-width",
                                    "8",
                                    "--epochs",
                                    "2",
                                    "--precision",
                                    "fp32",
                                    "--threads",
                                    "1",
                                    "--measure-samples",
                                    "16",
                                    "--out",
                                    out};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

int count(const std::string& text, const std::string& part) {
  int found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST(MeasureCommand, PrintsAndWritesTheNumbersOfACheckpoint) {
  const ScratchFolder scratch;
  const auto run = scratch / "run";
  ASSERT_EQ(run_here(train_words(run, {"--keep-checkpoints", "0"})), 0);
  const auto metrics = read_file(run + "/metrics.csv");
  const auto result = run_program({"measure", run, "--measure", "test,hessian-top,hessian-density",
                                   "--samples", "16", "--top", "2", "--threads", "1"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.out.find("hessian_top_2 "), std::string::npos);
  EXPECT_NE(result.out.find("hessian_density_x"), std::string::npos);
  EXPECT_NE(result.out.find("written: " + run + "/measure.csv, " + run +
                            "/measure-4-samples=16-top=2.json"),
            std::string::npos);
  const auto json = read_json_file(run + "/measure-4-samples=16-top=2.json");
  EXPECT_EQ(json.at("step"), 4);
  EXPECT_EQ(json.at("epoch"), 2.0);
  EXPECT_GT(json.at("values").at("hessian_top_1"), json.at("values").at("hessian_top_2"));
  EXPECT_EQ(json.at("values").at("hessian_density_y").size(), 400u);
  // The checkpoint is the network: training wrote the same loss.
  const auto row = metrics.find("4,2,test_loss,");
  ASSERT_NE(row, std::string::npos);
  EXPECT_NEAR(json.at("values").at("test_loss").get<double>(),
              std::stod(metrics.substr(row + std::string("4,2,test_loss,").size())), 1e-6);
  EXPECT_EQ(read_file(run + "/metrics.csv"), metrics);

  ASSERT_EQ(run_here({"measure", run, "--checkpoint", "2", "--measure", "sharpness"}), 0);
  EXPECT_TRUE(std::filesystem::exists(run + "/measure-2.json"));
}

TEST(MeasureCommand, ASecondCallKeepsTheNumbersOfTheFirst) {
  const ScratchFolder scratch;
  const auto run = scratch / "run";
  ASSERT_EQ(run_here(train_words(run)), 0);
  const auto measure = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"measure", run, "--threads", "1", "--measure"});
    EXPECT_EQ(run_here(words), 0);
  };
  measure({"test"});
  auto json = read_json_file(run + "/measure-4.json");
  json["values"]["test_loss"] = 77;
  write_file(run + "/measure-4.json", json.dump());
  measure({"weight-norm"});
  json = read_json_file(run + "/measure-4.json");
  EXPECT_EQ(json.at("values").at("test_loss"), 77);
  EXPECT_TRUE(json.at("values").contains("weight_norm"));
  measure({"test"});  // the same name is replaced
  EXPECT_LT(read_json_file(run + "/measure-4.json").at("values").at("test_loss"), 70);
  measure({"sharpness", "--rho", "0.1"});
  measure({"sharpness", "--rho", "0.1", "--split", "test"});
  EXPECT_FALSE(read_json_file(run + "/measure-4.json").at("values").contains("sharpness"));
  EXPECT_NE(
      read_json_file(run + "/measure-4-rho=0.1.json").at("values").at("sharpness"),
      read_json_file(run + "/measure-4-split=test-rho=0.1.json").at("values").at("sharpness"));
  ASSERT_EQ(run_here(train_words(run, {"--overwrite"})), 0);
  EXPECT_FALSE(std::filesystem::exists(run + "/measure-4-rho=0.1.json")) << "a file of the run";
}

// Two checkpoints, two kinds, two settings, at different times: one table.
TEST(MeasureCommand, AllNumbersOfARunAreInOneTable) {
  const ScratchFolder scratch;
  const auto run = scratch / "run";
  ASSERT_EQ(run_here(train_words(run, {"--keep-checkpoints", "0"})), 0);
  const auto measure = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"measure", run, "--threads", "1", "--measure"});
    EXPECT_EQ(run_here(words), 0);
    return read_file(run + "/measure.csv");
  };
  measure({"weight-norm"});
  measure({"sharpness", "--rho", "0.1", "--split", "test"});
  const auto table = measure({"weight-norm,hessian-density", "--checkpoint", "2"});
  EXPECT_TRUE(table.starts_with("run,step,epoch,settings,name,index,value\nrun,2,1,,weight_norm,,"))
      << table;
  EXPECT_EQ(count(table, "\nrun,4,2,,weight_norm,,"), 1);
  EXPECT_EQ(count(table, "\nrun,4,2,split=test rho=0.1,sharpness,,"), 1);
  EXPECT_EQ(count(table, "\nrun,2,1,,hessian_density_y,"), 400) << "a row a point";
  EXPECT_EQ(count(table, "\nrun,2,1,,hessian_density_y,399,"), 1);

  auto json = read_json_file(run + "/measure-4.json");
  json["values"]["weight_norm"] = 77;
  write_file(run + "/measure-4.json", json.dump());
  EXPECT_EQ(count(measure({"distance"}), "\nrun,4,2,,weight_norm,,77\n"), 1);
  const auto again = measure({"weight-norm"});
  EXPECT_EQ(count(again, "\nrun,4,2,,weight_norm,,"), 1) << "a repeated measurement";
  EXPECT_EQ(count(again, ",77\n"), 0) << "replaces its row";
  EXPECT_EQ(count(again, "distance_from_init"), 1);

  write_file(run + "/measure-9.json", "[]");
  EXPECT_EQ(message_of({"measure", run, "--measure", "distance"}, Error::Kind::kFailed),
            run + "/measure-9.json: is not a file of unlazy measure; move it away");
}

TEST(MeasureCommand, WhatIsNotFiniteIsAFailure) {
  const ScratchFolder scratch;
  const auto run = scratch / "run";
  ASSERT_EQ(run_here(train_words(run)), 0);
  const auto result = run_program(
      {"measure", run, "--measure", "test,sharpness", "--rho", "1e30", "--threads", "1"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.err,
            "unlazy: measure: sharpness is not finite (null in the file): the loss overflows "
            "there. For the sharpness measurements take a smaller --rho; else look at the weights "
            "of the checkpoint\n");
  EXPECT_EQ(result.out.find("nan"), std::string::npos) << result.out;
  const auto values = read_json_file(run + "/measure-4-rho=1e+30.json").at("values");
  EXPECT_TRUE(values.at("sharpness").is_null());
  EXPECT_TRUE(values.at("test_loss").is_number());
}

TEST(MeasureCommand, SaysWhatIsWrong) {
  const ScratchFolder scratch;
  const auto run = scratch / "run";
  ASSERT_EQ(run_here(train_words(run)), 0);
  EXPECT_EQ(message_of({"measure"}),
            "measure: wants the folder of one run, such as: unlazy measure runs/sample");
  EXPECT_EQ(message_of({"measure", scratch / "none"}),
            scratch / "none" + ": holds no checkpoint; name the folder of a run of unlazy train");
  EXPECT_EQ(message_of({"measure", run, "--checkpoint", "3"}),
            run + ": has no checkpoint of step 3; there are: 4");
  EXPECT_EQ(message_of({"measure", run, "--measure", "gradient-norm"}),
            "measure: gradient-norm is that of the last update, which a checkpoint does not "
            "hold; measure it during training");
  // A configuration that was changed to another network.
  auto config = read_json_file(run + "/config.json");
  config["model"] = "resnet20";
  write_file(run + "/config.json", config.dump());
  const auto folder = run + "/checkpoints/00000004";
  EXPECT_EQ(message_of({"measure", run}),
            folder +
                ": is a checkpoint of model 'mlp', not of 'resnet20'; "
                "use --model mlp");
  config["model"] = "mlp";
  config["hidden-width"] = 9;
  write_file(run + "/config.json", config.dump());
  EXPECT_EQ(message_of({"measure", run}, Error::Kind::kFailed),
            folder +
                "/model.safetensors: does not fit the network; of another shape: layers.0.weight "
                "([8, 3072] in the file, [9, 3072] wanted), layers.1.weight ([8, 8] in the file, "
                "[9, 9] wanted), linear.weight ([10, 8] in the file, [10, 9] wanted) and 2 more; "
                "the file is for model 'mlp'");
}

TEST(MeasureCommand, TrainingMeasuresEachAtItsOwnPace) {
  const ScratchFolder scratch;
  const auto measured = scratch / "measured", plain = scratch / "plain";
  ASSERT_EQ(run_here(train_words(plain, {"--measure", "test"})), 0);
  ASSERT_EQ(run_here(train_words(measured, {"--measure",
                                            "test,hessian-trace:every=1it,sharpness:every=3it,"
                                            "hessian-density:every=never"})),
            0);
  const auto metrics = read_file(measured + "/metrics.csv");
  EXPECT_EQ(count(metrics, ",hessian_trace,"), 5);         // 0, 1, 2, 3, 4
  EXPECT_EQ(count(metrics, ",sharpness,"), 3);             // 0, 3 and the end
  EXPECT_EQ(count(metrics, ",hessian_density_mean,"), 2);  // the ends
  EXPECT_EQ(count(metrics, ",hessian_density_x,"), 0);     // a curve
  EXPECT_EQ(count(metrics, ",train_loss,"), 2);
  EXPECT_EQ(read_file(measured + "/checkpoints/00000004/model.safetensors"),
            read_file(plain + "/checkpoints/00000004/model.safetensors"));
}

TEST(LandscapeCommand, DrawsAPlaneAndALine) {
  const ScratchFolder scratch;
  const auto run = scratch / "run", other = scratch / "other";
  ASSERT_EQ(run_here(train_words(run, {"--keep-checkpoints", "0"})), 0);
  ASSERT_EQ(run_here(train_words(other, {"--seed", "1"})), 0);
  const auto model = read_file(run + "/checkpoints/00000004/model.safetensors");
  const std::vector<std::string> small = {"--points", "5", "--samples", "16", "--threads", "1"};
  const auto landscape = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"landscape", run});
    words.insert(words.end(), small.begin(), small.end());
    const auto result = run_program(words);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.out;
  };
  landscape({"--out", scratch / "a"});
  landscape({"--out", scratch / "b"});
  landscape({"--out", scratch / "c", "--direction-seed", "1"});
  const auto csv = read_file(scratch / "a/plane-run-4-points=5-samples=16.csv");
  EXPECT_EQ(csv, read_file(scratch / "b/plane-run-4-points=5-samples=16.csv"))
      << "the same seed, the same picture";
  EXPECT_NE(csv, read_file(scratch / "c/plane-run-4-points=5-samples=16-direction-seed=1.csv"));
  EXPECT_EQ(count(csv, "\n\"Training loss\","), 26);  // 25 points and the checkpoint
  const auto plane = read_json_file(scratch / "a/plane-run-4-points=5-samples=16.json");
  EXPECT_EQ(plane.at("values").at("train_loss").size(), 5u);
  EXPECT_EQ(plane.at("bn-statistics"), "fixed");
  EXPECT_LT(std::abs(plane.at("cosine").get<double>()), 0.1);
  // The middle is the checkpoint.
  ASSERT_EQ(run_here({"landscape", run, "--samples", "0", "--points", "3", "--split", "test",
                      "--threads", "1", "--out", scratch / "d"}),
            0);
  ASSERT_EQ(run_here({"measure", run, "--measure", "test", "--threads", "1"}), 0);
  EXPECT_EQ(read_json_file(scratch / "d/plane-run-4-points=3-samples=0-split=test.json")
                .at("values")
                .at("test_loss")[1][1],
            read_json_file(run + "/measure-4.json").at("values").at("test_loss"));

  const auto out = landscape({"--to", other});
  EXPECT_NE(out.find("barrier of the test loss: "), std::string::npos) << out;
  const auto line = read_json_file(run + "/figures/line-run-4-other-4-points=5-samples=16.json");
  EXPECT_EQ(line.at("to").at("run"), other);
  EXPECT_EQ(line.at("steps"), (std::vector<double>{-0.5, 0, 0.5, 1, 1.5}));
  EXPECT_EQ(line.at("values").at("test_accuracy").size(), 5u);
  landscape({"--checkpoint", "2", "--to-checkpoint", "4"});
  EXPECT_TRUE(std::filesystem::exists(run + "/figures/line-run-2-run-4-points=5-samples=16.csv"));
  EXPECT_EQ(read_file(run + "/checkpoints/00000004/model.safetensors"), model);
  // A run of the same name elsewhere.
  std::filesystem::create_directories(scratch / "far");
  std::filesystem::rename(other, scratch / "far/run");
  landscape({"--to", scratch / "far/run"});
  EXPECT_TRUE(
      std::filesystem::exists(run + "/figures/line-run-4-far_run-4-points=5-samples=16.csv"));
}

TEST(LandscapeCommand, ARunsNameIsNoCommandOfGnuplot) {
  const ScratchFolder scratch;
  const auto run = scratch / "x\nsystem(\"touch pwned\")";
  ASSERT_EQ(run_here(train_words(run)), 0);
  const auto result = run_program({"landscape", run, "--points", "2", "--samples", "16",
                                   "--threads", "1", "--out", scratch / "figures"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_FALSE(std::filesystem::exists(scratch / "figures/pwned"));
  EXPECT_TRUE(std::filesystem::exists(
      scratch / "figures/plane-x system(\"touch pwned\")-4-points=2-samples=16.gp"));
}

TEST(LandscapeCommand, SaysWhatIsWrong) {
  const ScratchFolder scratch;
  const auto run = scratch / "run";
  ASSERT_EQ(run_here(train_words(run)), 0);
  EXPECT_EQ(message_of({"landscape"}),
            "landscape: wants the folder of one run, such as: unlazy landscape "
            "runs/sample");
  EXPECT_EQ(message_of({"landscape", run, "--to-checkpoint", "4"}),
            "landscape: both ends of the line are checkpoint 4 of " + run +
                "; name another one with --to or --to-checkpoint");
  EXPECT_EQ(message_of({"landscape", run, "--to", scratch / "none"}),
            scratch / "none" + ": holds no checkpoint; name the folder of a run of unlazy train");
  EXPECT_EQ(message_of({"landscape", run, "--bn-statistics", "interpolate"}),
            "landscape: --bn-statistics interpolate is for a line between two "
            "checkpoints; add --to or --to-checkpoint");
}

}  // namespace
}  // namespace unlazy::measure
