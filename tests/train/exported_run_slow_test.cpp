// Runs of a network from Python: with dropout they resume bit for bit, and only with their own
// file.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/mm.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "core/error.h"
#include "core/files.h"
#include "core/safetensors.h"
#include "data/batches.h"
#include "linearise/network.h"
#include "models/exported/exported_model.h"
#include "support/program.h"
#include "support/scratch_folder.h"
#include "support/small_run.h"
#include "train/experiment.h"
#include "train/saved_run.h"

namespace unlazy::train {
namespace {

namespace fs = std::filesystem;
using testing::run_program;
using testing::ScratchFolder;

std::string archive_of(const std::string& name) {
  return UNLAZY_SOURCE_DIR "/tests/models/exported/" + name + ".pt2";
}

TrainOptions exported_run(const std::string& archive, const std::string& out) {
  auto o = testing::small_run();
  o.model.name = "file:" + archive;
  o.compute.precision = "fp32";
  o.run.out = out;
  return o;
}

Hooks stop_after_steps(int count) {
  Hooks hooks;
  hooks.should_stop = [left = std::make_shared<int>(count)] { return --*left == 0; };
  return hooks;
}

class ExportedRun : public ::testing::TestWithParam<std::string> {};

TEST_P(ExportedRun, ResumesBitForBit) {
  for (const std::string optimizer : {"sgd", "sam"}) {
    SCOPED_TRACE(optimizer);
    const ScratchFolder scratch;
    auto whole = exported_run(archive_of(GetParam()), scratch / "whole");
    auto parts = exported_run(archive_of(GetParam()), scratch / "parts");
    for (auto* options : {&whole, &parts}) {
      options->optimizer.name = optimizer;
      options->optimizer.sharpness.rho = 0.05;
    }
    EXPECT_EQ(run_training(whole, {}), Outcome::kDone);
    EXPECT_EQ(run_training(parts, stop_after_steps(4)), Outcome::kInterrupted);
    parts.run.resume = true;
    EXPECT_EQ(run_training(parts, {}), Outcome::kDone);
    for (const std::string file : {"/checkpoints/00000006/model.safetensors", "/metrics.csv"})
      EXPECT_EQ(read_file(scratch / ("whole" + file)), read_file(scratch / ("parts" + file)));
    // Python's names.
    const auto weights = load_tensors(scratch / "whole/checkpoints/00000006/model.safetensors");
    const models::ExportedNetwork network(archive_of(GetParam()));
    EXPECT_EQ(weights.tensors.size(), network.order.size());
    for (const auto& name : network.order) EXPECT_TRUE(weights.contains(name)) << name;
  }
}

TEST_P(ExportedRun, TrainsInEveryPrecision) {
  for (const std::string precision : {"bf16", "fp64"}) {
    SCOPED_TRACE(precision);
    const ScratchFolder scratch;
    auto options = exported_run(archive_of(GetParam()), scratch / "run");
    options.compute.precision = precision;
    options.run.max_steps = 2;
    EXPECT_EQ(run_training(options, {}), Outcome::kDone);
  }
}

INSTANTIATE_TEST_SUITE_P(Archives, ExportedRun, ::testing::Values("resnet", "attention"),
                         [](const auto& test) { return test.param; });

TEST(ExportedRuns, AnotherFileIsRefused) {
  const ScratchFolder scratch;
  const auto archive = scratch / "net.pt2";
  fs::copy_file(archive_of("plain"), archive);
  auto options = exported_run(archive, scratch / "run");
  EXPECT_EQ(run_training(options, stop_after_steps(2)), Outcome::kInterrupted);
  const auto config = nlohmann::json::parse(read_file(scratch / "run/config.json"));
  EXPECT_EQ(config.at("model"), "file:" + archive);
  EXPECT_EQ(config.at("model-hash"), models::file_sha1(archive));
  fs::copy_file(archive_of("resnet"), archive, fs::copy_options::overwrite_existing);
  options.run.resume = true;
  try {
    run_training(options, {});
    ADD_FAILURE() << "another file was taken";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("is another file than the run began with"),
              std::string::npos)
        << error.what();
  }
  const auto measured = run_program({"measure", scratch / "run", "--measure", "test"});
  EXPECT_EQ(measured.exit_code, 2) << measured.err;
}

// All commands that take a network take this one.
TEST(ExportedRuns, EveryCommandTakesTheFile) {
  const ScratchFolder scratch;
  const std::string model = "file:" + archive_of("plain"), run = scratch / "run";
  const auto expect_done = [](const std::vector<std::string>& words) {
    const auto result = run_program(words);
    EXPECT_EQ(result.exit_code, 0) << words[0] << ": " << result.out << result.err;
  };
  const std::vector<std::string> data = {
      "--data", "cifar10-sample", "--train-size", "32", "--test-size", "16", "--batch", "16"};
  const auto with_data = [&](std::vector<std::string> words) {
    words.insert(words.end(), data.begin(), data.end());
    return words;
  };
  expect_done(with_data({"train", "--model", model, "--max-steps", "4", "--out", run}));
  expect_done({"measure", run, "--measure", "test,hessian-top,ntk-trace,layer-norms", "--samples",
               "4", "--top", "1"});
  expect_done({"landscape", run, "--points", "3", "--out", scratch / "landscape"});
  expect_done({"prune", "--run", run, "--out", scratch / "pruned", "--densities", "1,0.5"});
  expect_done({"compare", "--model", model, "--train-size", "4", "--test-size", "4", "--batch", "4",
               "--epochs", "2", "--noise", "flip-any", "--noise-rate", "0.5", "--precision", "fp64",
               "--out", scratch / "compared"});
  // The kernel that it trained with is J J^T.
  const auto options = options_of(scratch / "compared/seed0/clean");
  Experiment experiment(options);
  const linearise::Network network(experiment.model());
  const at::NoGradGuard no_grad;
  experiment.model().module().eval();
  const auto jacobian = linearise::jacobian(
      network, experiment.subject().train.reader.plain_batch(data::range(0, 4)));
  const auto kernel = load_tensors(scratch / "compared/seed0/kernel.safetensors").at("ntk_train");
  EXPECT_LT((kernel - at::mm(jacobian, jacobian.t())).norm().item<double>(),
            1e-9 * kernel.norm().item<double>());
}

}  // namespace
}  // namespace unlazy::train
