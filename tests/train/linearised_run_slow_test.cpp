// Runs of `unlazy train --linearised`: the same loop, with the network's Taylor polynomial.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/nn/module.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/files.h"
#include "core/safetensors.h"
#include "linearise/linearised_model.h"
#include "measure/loss_surface.h"
#include "report/metrics.h"
#include "support/expect_error.h"
#include "support/program.h"
#include "support/scratch_folder.h"
#include "support/small_run.h"
#include "train/checkpoint.h"
#include "train/saved_run.h"

namespace unlazy::train {
namespace {

namespace fs = std::filesystem;
using testing::expect_misuse;
using testing::ScratchFolder;

double off(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / b.norm()).item<double>();
}

// ResNet-20 with few channels; noise, momentum, decay and augmentation.
TrainOptions resnet_run(const std::string& out, const std::string& norm, int64_t order = 1) {
  auto o = testing::small_run();
  o.data.train_size = 48;
  o.model.name = "resnet20";
  o.model.norm = norm;
  o.model.block_widths.assign(9, 4);
  o.linearise.order = order;
  o.noise.kind = "flip";
  o.noise.rate = 0.2;
  o.optimizer.weight_decay = 5e-4;
  o.schedule.lr = 0.01;
  o.compute.precision = "fp32";
  o.run.max_steps = 5;  // of 3 an epoch
  o.run.out = out;
  return o;
}

struct Resumed {
  const char* name;
  const char* norm;
  int64_t order;
  const char* optimizer;
  const char* precision;
};
void PrintTo(const Resumed& test, std::ostream* out) { *out << test.name; }

class LinearisedRuns : public ::testing::TestWithParam<Resumed> {};

TEST_P(LinearisedRuns, ResumeBitForBit) {
  const ScratchFolder scratch;
  const auto run_in = [&](const std::string& folder) {
    auto o = resnet_run(scratch / folder, GetParam().norm, GetParam().order);
    o.optimizer.name = GetParam().optimizer;
    o.compute.precision = GetParam().precision;
    if (o.optimizer.name == "sam") o.optimizer.sharpness.rho = 0.05;
    return o;
  };
  run_training(run_in("whole"), {});
  auto parts = run_in("parts");
  Hooks stop;
  stop.should_stop = [left = std::make_shared<int>(2)] { return --*left == 0; };
  EXPECT_EQ(run_training(parts, stop), Outcome::kInterrupted);
  parts.run.resume = true;
  EXPECT_EQ(run_training(parts, {}), Outcome::kDone);
  for (const char* file :
       {"metrics.csv", "theta0.safetensors", "checkpoints/00000005/model.safetensors",
        "checkpoints/00000005/state.safetensors"})
    EXPECT_EQ(read_file(scratch / "parts/" + file), read_file(scratch / "whole/" + file)) << file;
  const auto loss = report::read_metrics(scratch / "whole").at("test_loss").values;
  EXPECT_NE(loss.front(), loss.back());
}

INSTANTIATE_TEST_SUITE_P(Kinds, LinearisedRuns,
                         ::testing::Values(Resumed{"BatchNorm", "batch", 1, "sgd", "fp32"},
                                           Resumed{"GroupNorm", "group", 1, "sgd", "fp32"},
                                           Resumed{"Sam", "batch", 1, "sam", "fp32"},
                                           Resumed{"Bf16", "group", 1, "sgd", "bf16"},
                                           Resumed{"SamInBf16", "group", 1, "sam", "bf16"},
                                           Resumed{"SecondOrder", "group", 2, "sgd", "fp32"}),
                         [](const auto& test) { return test.param.name; });

// theta0 is where the network itself starts, and theta is under the network's own names.
TEST(LinearisedRun, StartsWhereTheNetworkStarts) {
  const ScratchFolder scratch;
  auto options = resnet_run(scratch / "linear", "group");
  options.run.checkpoint_at = {Step::iterations(0)};
  run_training(options, {});
  options.linearise.order = 0;
  options.run.out = scratch / "network";
  run_training(options, {});
  const auto start = load_tensors(scratch / "network/checkpoints/00000000/model.safetensors");
  const auto theta0 = load_tensors(scratch / "linear/theta0.safetensors"),
             first = load_tensors(scratch / "linear/checkpoints/00000000/model.safetensors"),
             last = load_tensors(scratch / "linear/checkpoints/00000005/model.safetensors");
  ASSERT_EQ(theta0.tensors.size(), start.tensors.size());
  for (const auto& [name, tensor] : start.tensors) {
    EXPECT_TRUE(at::equal(theta0.at(name), tensor)) << name;
    EXPECT_TRUE(at::equal(first.at(name), tensor)) << name;
  }
  EXPECT_FALSE(at::equal(last.at("conv1.weight"), start.at("conv1.weight")));
  EXPECT_EQ(report::read_metrics(scratch / "linear").at("test_loss").values[0],
            report::read_metrics(scratch / "network").at("test_loss").values[0]);
}

// BatchNorm's statistics are collected once and then are constants.
TEST(LinearisedRun, StatisticsAreThoseOfTheTrainingSetAtTheStart) {
  const ScratchFolder scratch;
  auto options = resnet_run(scratch / "run", "batch");
  options.run.checkpoint_at = {Step::iterations(0)};
  run_training(options, {});
  options.linearise.order = 0;
  Experiment network(options);
  measure::recalibrate(network.subject(), 0, c10::kFloat);
  const auto expected = network.model().module().named_buffers();
  for (const char* step : {"00000000", "00000005"}) {
    const auto saved = load_tensors(scratch / "run/checkpoints/" + step + "/model.safetensors");
    for (const auto& item : expected) {
      EXPECT_TRUE(at::equal(saved.at(item.key()), item.value())) << step << " " << item.key();
      EXPECT_EQ(saved.at(item.key()).scalar_type(), item.value().scalar_type()) << item.key();
    }
  }
}

TEST(LinearisedRun, PartsOfABatchAreTheWholeBatch) {
  for (const int64_t order : {1, 2}) {
    auto options = resnet_run("", "group", order);
    options.compute.precision = "fp64";
    Experiment whole(options);
    options.run.accumulate = 3;
    Experiment parts(options);
    for (int64_t step = 0; step < 3; ++step) whole.run_step(step), parts.run_step(step);
    EXPECT_LT(off(parts.parameters().values(), whole.parameters().values()), 1e-13);
  }
}

// At a trained point: f there, and the tangent space there.
TEST(LinearisedRun, ExpandsAtACheckpoint) {
  const ScratchFolder scratch;
  auto options = resnet_run(scratch / "network", "group", 0);
  options.measure.every = Step::iterations(1);
  options.run.checkpoint_at = {Step::iterations(2)};
  run_training(options, {});
  const auto loss = report::read_metrics(scratch / "network").at("test_loss").values;
  options.linearise.order = 1;
  options.linearise.at = scratch / "network:2";
  options.run.out = scratch / "at2";
  run_training(options, {});
  EXPECT_EQ(report::read_metrics(scratch / "at2").at("test_loss").values[0], loss[2]);
  options.linearise.at = scratch / "network";
  options.run.out = scratch / "last";
  options.run.max_steps = 2;
  run_training(options, {});
  EXPECT_EQ(report::read_metrics(scratch / "last").at("test_loss").values[0], loss[5]);
  // The run does not need the other any more.
  fs::remove_all(scratch / "network");
  options.run.resume = true;
  options.run.max_steps = 4;
  EXPECT_EQ(run_training(options, {}), Outcome::kDone);
}

TEST(LinearisedRun, WhatCannotBeDoneIsSaid) {
  const ScratchFolder scratch;
  auto options = resnet_run(scratch / "network", "group", 0);
  options.run.checkpoint_at = {Step::iterations(2)};
  run_training(options, {});
  options.linearise.order = 1;
  options.run.out = scratch / "out";
  const auto expect = [&](const std::function<void(TrainOptions&)>& change,
                          const std::string& text) {
    auto changed = options;
    change(changed);
    expect_misuse([&] { run_training(changed, {}); }, text);
    EXPECT_FALSE(fs::exists(scratch / "out"));
  };
  const auto network = scratch / "network";
  expect([&](auto& o) { o.linearise.at = network + ":3"; },
         network + ": has no checkpoint of step 3; there are: 2, 5");
  expect([&](auto& o) { o.linearise.at = scratch / "none"; },
         scratch / "none" +
             ": holds no run (no config.json); name the folder that `unlazy train` wrote");
  expect(
      [&](auto& o) {
        o.linearise.at = network;
        o.model.norm = "batch";
      },
      network + ": is a run with norm \"group\", not \"batch\"; give --norm as that run has it");
  for (const char* name : {"lazy-distance", "ntk-change"}) {
    expect([&](auto& o) { o.measure.names = {name}; },
           std::string("measure: ") + name +
               " compares a network with its linearisation, and a linearised network is its own; "
               "leave it out of --measure");
  }
  expect(
      [&](auto& o) {
        o.linearise.order = 2;
        o.measure.names = {"hessian-top"};
      },
      "measure: hessian-top is there for --linearised 1, not for order 2; leave it out of "
      "--measure");
  run_training(options, {});
  options.linearise.at = scratch / "out";
  options.run.out = scratch / "again";
  expect_misuse([&] { run_training(options, {}); },
                scratch / "out" +
                    ": is a linearised run, whose weights are no point of the network; give "
                    "--linearise-at a run of the network itself");
}

TEST(LinearisedRun, TheFlagStandsAlone) {
  const ScratchFolder scratch;
  const auto train = [&](const std::string& out, const std::vector<std::string>& flags) {
    std::vector<std::string> words = {"train",
                                      "--data",
                                      "cifar10-sample",
                                      "--train-size",
                                      "16",
                                      "--test-size",
                                      "8",
                                      "--batch",
                                      "8",
                                      "--model",
                                      "mlp",
                                      "--epochs",
                                      "1",
                                      "--hidden-width",
                                      "4",
                                      "--out",
                                      scratch / out};
    words.insert(words.end(), flags.begin(), flags.end());
    return testing::run_program(words);
  };
  for (const auto& flags : std::vector<std::vector<std::string>>{{"--linearised"},
                                                                 {"--linearised", "1"},
                                                                 {"--linearised=1"},
                                                                 {"--linearised", "--seed", "0"}}) {
    const auto result = train("a" + std::to_string(flags.size()) + flags.back(), flags);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_NE(result.out.find("mlp, linearised at its start, "), std::string::npos) << result.out;
  }
  const auto third = train("b", {"--linearised", "3"});
  EXPECT_EQ(third.exit_code, 2);
  EXPECT_EQ(third.err, "unlazy: --linearised must be in [0, 2], got 3\n");
  EXPECT_EQ(train("c", {"--linearise-at", "x"}).exit_code, 2);
}

// --mask prunes the network first and linearises what is left: theta0 is 0 there, and so is theta.
TEST(LinearisedRun, AMaskedNetworkIsLinearised) {
  const ScratchFolder scratch;
  auto options = resnet_run("", "group", 0);
  options.compute.precision = "fp64";
  Experiment network(options);
  at::manual_seed(2);
  const auto mask = at::rand({network.parameters().num_weights()}) > 0.5;
  TensorFile file{{}, {}};
  for (const auto& segment : network.parameters().segments()) {
    if (segment.offset < network.parameters().num_weights())
      file.tensors.emplace_back(segment.name, optim::FlatParameters::view(mask, segment));
  }
  save_tensors(scratch / "mask.safetensors", file);
  options.run.mask = scratch / "mask.safetensors";
  Experiment pruned(options);
  options.linearise.order = 1;
  Experiment linear(options);
  const auto loss = [](Experiment& experiment) {
    return measure::evaluate(experiment.subject(), experiment.subject().test).loss.item<double>();
  };
  EXPECT_NEAR(loss(linear), loss(pruned), 1e-12);
  EXPECT_GT(std::abs(loss(linear) - loss(network)), 1e-3);
  for (int64_t step = 0; step < 3; ++step) linear.run_step(step);
  const auto weights = linear.parameters().values().narrow(0, 0, mask.numel());
  EXPECT_EQ(weights.masked_select(mask.logical_not()).abs().max().item<double>(), 0);
  for (const auto& [name, tensor] : linear.start_tensors()) {
    if (file.contains(name)) {
      EXPECT_EQ(tensor.masked_select(file.at(name).logical_not()).abs().max().item<double>(), 0);
    }
  }
}

// Convolutions, BatchNorm, GroupNorm, attention.
TEST(LinearisedRun, NetworksFromPythonAreLinearised) {
  for (const std::string name : {"resnet", "attention", "functional"}) {
    SCOPED_TRACE(name);
    auto options = resnet_run("", "batch");
    options.model = {};
    options.model.name =
        "file:" + std::string(UNLAZY_SOURCE_DIR) + "/tests/models/exported/" + name + ".pt2";
    options.compute.precision = "fp64";
    Experiment linear(options);
    const auto theta0 = linear.parameters().values().clone();
    for (int64_t step = 0; step < 2; ++step) linear.run_step(step);
    EXPECT_GT((linear.parameters().values() - theta0).norm().item<double>(), 0);
    // It is linear in theta.
    const at::NoGradGuard no_grad;
    auto& model = dynamic_cast<linearise::LinearisedModel&>(linear.model());
    const auto images = linear.subject().test.reader.plain_batch({0, 1, 2});
    const auto d = linear.parameters().values() - theta0;
    const auto outputs = [&](double t) {
      linear.parameters().values().copy_(theta0 + d * t);
      return model.forward(images).clone();
    };
    EXPECT_LT(off(outputs(2) - outputs(0), (outputs(1) - outputs(0)) * 2), 1e-10);
  }
}

// The Hessian of the loss is J^T H_loss J, by differences of the gradient.
TEST(LinearisedRun, HessianProductsAreSlopesOfTheGradient) {
  auto options = resnet_run("", "batch");
  options.compute.precision = "fp64";
  options.measure.probe.samples = 9;
  options.run.eval_batch = 4;
  Experiment run(options);
  for (int64_t step = 0; step < 3; ++step) run.run_step(step);
  const auto subject = run.subject();
  measure::LossSurface surface(subject);
  auto rng = measure::probe_rng("test");
  const auto v = surface.normals(rng);
  const auto product = surface.hessian_vector(v);
  const at::NoGradGuard no_grad;
  const auto theta = surface.point().clone();
  const double h = 1e-5;
  surface.point().copy_(theta + v * h);
  const auto above = surface.gradient();
  surface.point().copy_(theta - v * h);
  const auto below = surface.gradient();
  EXPECT_LT(off(product, (above - below) / (2 * h)), 1e-6);
}

// Relative error in bf16 of the way that the parameters go in five steps.
double error_of_bf16(TrainOptions options) {
  Experiment exact(options);
  options.compute.precision = "bf16";
  Experiment rounded(options);
  const auto start = exact.parameters().values().clone();
  for (int64_t step = 0; step < 5; ++step) exact.run_step(step), rounded.run_step(step);
  const at::NoGradGuard no_grad;
  return off(rounded.parameters().values() - start, exact.parameters().values() - start);
}

// bf16 rounds theta0 and the tangents, as it rounds weights and activations of the network itself,
// and keeps theta - theta0.
TEST(LinearisedRun, SmallStepsAreNotLostInBf16) {
  auto options = resnet_run("", "group");
  options.schedule.lr = 1e-5;  // far below bf16's spacing of the weights
  options.noise = {};
  const double linear = error_of_bf16(options);
  options.linearise.order = 0;
  EXPECT_LT(linear, 2 * error_of_bf16(options));
  EXPECT_LT(linear, 0.5);  // lost steps would be 1
}

// A function without a forward derivative, as fused kernels of users are.
struct Opaque : torch::autograd::Function<Opaque> {
  static at::Tensor forward(torch::autograd::AutogradContext*, const at::Tensor& x) {
    return x * 2;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext*,
                                                 torch::autograd::variable_list g) {
    return {g[0] * 2};
  }
};

struct OpaqueNetwork : torch::nn::Module, models::Model {
  OpaqueNetwork() {
    first = register_parameter("first", at::ones({4, 3}));
    second = register_parameter("second", at::ones({2, 4}));
  }
  at::Tensor forward(const at::Tensor& x) override {
    return at::mm(Opaque::apply(at::mm(x, first.t())), second.t());
  }
  torch::nn::Module& module() override { return *this; }
  at::Tensor first, second;
};

TEST(LinearisedRun, ALayerThatCannotBeLinearisedIsNamed) {
  try {
    linearise::LinearisedModel(std::make_shared<OpaqueNetwork>(), nullptr, 1, at::ones({2, 3}));
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    const std::string text = error.what();
    EXPECT_EQ(error.kind(), Error::Kind::kMisuse);
    EXPECT_TRUE(
        text.starts_with("linearise: LibTorch lacks a derivative that this network needs, "
                         "in the layer of first or right behind it: "))
        << text;
  }
}

}  // namespace
}  // namespace unlazy::train
