// Networks from Python: four small ones whose archives and references lie in tests/models/exported
// (small_networks.py there says how they were made).
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>

#include <cmath>
#include <string>
#include <vector>

#include "core/safetensors.h"
#include "linearise/kernel.h"
#include "linearise/layers.h"
#include "models/exported/exported_model.h"
#include "models/frozen_statistics.h"
#include "models/init.h"
#include "models/parameters.h"
#include "models/weights.h"
#include "support/expect_error.h"
#include "support/program.h"
#include "support/scratch_folder.h"

namespace unlazy {
namespace {

using testing::run_program;
using testing::ScratchFolder;

std::string exported_file(const std::string& name) {
  return UNLAZY_SOURCE_DIR "/tests/models/exported/" + name;
}

std::shared_ptr<models::Model> exported(const std::string& name) {
  models::ModelOptions options;
  options.name = "file:" + exported_file(name + ".pt2");
  return models::make_model(options, {}, 0);
}

at::Tensor some_images(int64_t count = 4) {
  const models::SeededGenerator seeded(3);
  return at::randn({count, 3, 32, 32});
}

// Outputs, gradients, forward derivatives, buffers and five steps of SGD, in both modes. The
// program prints each; above the tolerance it fails.
class ExportedNetworkOf : public ::testing::TestWithParam<std::string> {};

TEST_P(ExportedNetworkOf, ComputesWhatPythonDoes) {
  const auto file = exported_file(GetParam());
  const auto result =
      run_program({"model", "check", file + ".pt2", "--reference", file + ".safetensors"});
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
}

TEST_P(ExportedNetworkOf, HasTheNamesOfPython) {
  const auto model = exported(GetParam());
  const auto reference = load_tensors(exported_file(GetParam() + ".safetensors"));
  size_t num_parameters = 0;
  for (const auto& [name, tensor] : reference.tensors)
    num_parameters += name.starts_with("direction.");
  const auto named = models::distinct_parameters(model->module());  // Python has tied ones once
  EXPECT_EQ(named.size(), num_parameters);
  for (const auto& [name, parameter] : named)
    EXPECT_EQ(parameter.sizes(), reference.at("direction." + name).sizes());
  for (const auto& item : model->module().named_buffers())
    EXPECT_TRUE(reference.contains("train.buffer." + item.key())) << item.key();
}

TEST_P(ExportedNetworkOf, RunsInOtherPrecisions) {
  const at::NoGradGuard no_grad;
  const auto x = some_images();
  const auto model = exported(GetParam());
  model->module().eval();
  const auto single = model->forward(x);
  model->module().to(at::kDouble);
  const auto exact = model->forward(x.to(at::kDouble));
  EXPECT_EQ(exact.scalar_type(), at::kDouble);
  EXPECT_LT((single - exact).abs().max().item<double>(), 1e-5);
  // As in bf16 training: what has one dimension and a scale stays in fp32.
  const auto low = exported(GetParam());
  low->module().eval();
  for (auto parameter : low->module().parameters()) {
    if (parameter.dim() > 1) parameter.set_data(parameter.data().to(at::kBFloat16));
  }
  const auto rough = low->forward(x.to(at::kBFloat16));
  EXPECT_EQ(rough.scalar_type(), at::kBFloat16);
  EXPECT_LT((rough.to(at::kDouble) - exact).abs().max().item<double>(), 0.1);
}

INSTANTIATE_TEST_SUITE_P(Archives, ExportedNetworkOf,
                         ::testing::Values("resnet", "attention", "plain", "functional"),
                         [](const auto& test) { return test.param; });

TEST(ExportedModel, AWrongReferenceIsFound) {
  const ScratchFolder scratch;
  auto file = load_tensors(exported_file("plain.safetensors"));
  for (auto& [name, tensor] : file.tensors) {
    if (name == "train.gradient.layer1.conv2.weight") tensor.mul_(1.001);
  }
  save_tensors(scratch / "r.safetensors", file);
  const auto result = run_program(
      {"model", "check", exported_file("plain.pt2"), "--reference", scratch / "r.safetensors"});
  EXPECT_EQ(result.exit_code, 1) << result.err;
  EXPECT_NE(result.out.find("layer1.conv2.weight)  too large"), std::string::npos) << result.out;
}

// Other gradients come after it, and are right.
TEST(ExportedModel, NotANumberIsFound) {
  const ScratchFolder scratch;
  auto file = load_tensors(exported_file("plain.safetensors"));
  for (auto& [name, tensor] : file.tensors) {
    if (name == "train.gradient.conv1.weight") tensor.view(-1)[0] = std::nan("");
  }
  save_tensors(scratch / "r.safetensors", file);
  const auto result = run_program(
      {"model", "check", exported_file("plain.pt2"), "--reference", scratch / "r.safetensors"});
  EXPECT_EQ(result.exit_code, 1) << result.out;
  file.metadata.erase("lr");
  save_tensors(scratch / "r.safetensors", file);
  const auto without = run_program(
      {"model", "check", exported_file("plain.pt2"), "--reference", scratch / "r.safetensors"});
  EXPECT_NE(without.err.find("the reference does not say its learning rate"), std::string::npos)
      << without.err;
}

TEST(ExportedModel, FrozenStatisticsStay) {
  const auto model = exported("resnet");
  const auto copies = [&] {
    std::vector<at::Tensor> list;
    for (const auto& buffer : model->module().buffers()) list.push_back(buffer.clone());
    return list;
  };
  const auto same = [](const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
    for (size_t i = 0; i < a.size(); ++i) {
      if (!at::equal(a[i], b[i])) return false;
    }
    return true;
  };
  const at::NoGradGuard no_grad;
  const auto before = copies();
  ASSERT_FALSE(before.empty());
  {
    const models::FrozenStatistics frozen(model->module());
    model->forward(some_images());
  }
  EXPECT_TRUE(same(before, copies()));
  model->module().eval();
  model->forward(some_images());
  EXPECT_TRUE(same(before, copies()));
  model->module().train();
  model->forward(some_images());
  EXPECT_FALSE(same(before, copies()));
}

TEST(ExportedModel, DropoutIsAFunctionOfSeedStepAndPass) {
  const auto model = exported("attention");
  ASSERT_TRUE(model->is_random());
  const at::NoGradGuard no_grad;
  const auto x = some_images();
  const auto pass = [&](uint64_t seed, int64_t step) {
    model->begin_step(seed, step);
    return model->forward(x);
  };
  const auto first = pass(1, 7), second = model->forward(x);
  EXPECT_FALSE(at::equal(first, second));
  EXPECT_TRUE(at::equal(first, pass(1, 7)));
  EXPECT_TRUE(at::equal(second, model->forward(x)));
  EXPECT_FALSE(at::equal(first, pass(2, 7)));
  EXPECT_FALSE(at::equal(first, pass(1, 8)));
  model->module().eval();
  EXPECT_TRUE(at::equal(model->forward(x), model->forward(x)));
}

// A counter is a whole number, also in an fp64 network.
TEST(ExportedModel, WholeNumbersStayWhole) {
  const auto model = exported("resnet");
  model->module().to(at::kDouble);
  const auto counter = model->module().named_buffers()["bn1.num_batches_tracked"];
  EXPECT_EQ(counter.scalar_type(), at::kLong);
  model->forward(some_images().to(at::kDouble));
  EXPECT_EQ(counter.item<int64_t>(), 1);
}

double difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).norm().item<double>() / b.norm().item<double>();
}

// The kernel that is read off the autograd graph, against J J^T.
TEST(ExportedModel, KernelEqualsTheExplicitJacobian) {
  for (const std::string name : {"plain", "resnet", "attention"}) {
    SCOPED_TRACE(name);
    const auto model = exported(name);
    model->module().to(at::kDouble);
    model->module().eval();
    const linearise::Network network(*model);
    const auto x = some_images(3).to(at::kDouble);
    const auto j = linearise::jacobian(network, x);
    EXPECT_LT(difference(linearise::kernel(network, x).train, at::mm(j, j.t())), 1e-9);
    const at::AutoGradMode with_grad(true);
    const auto layers = linearise::find_layers(network(x), network.parameters());
    // The token and the embedding of positions belong to no layer, the tied projection to two.
    EXPECT_EQ(layers.others.size(), name == "attention" ? 3u : 0u);
  }
}

TEST(ExportedModel, InfoTellsWhatTheFileHolds) {
  for (const std::string name : {"plain", "resnet", "attention"}) {
    SCOPED_TRACE(name);
    const auto run = run_program({"model", "info", exported_file(name + ".pt2")});
    EXPECT_EQ(run.exit_code, 0) << run.err;
    EXPECT_NE(run.out.find("parameters are trained"), std::string::npos) << run.out;
  }
}

TEST(ExportedModel, RefusesWhatDoesNotFit) {
  const auto path = exported_file("resnet.pt2");
  testing::expect_misuse([&] { models::make_exported(path, {.channels = 1}); },
                         path +
                             ": takes images [3, 32, 32], but the data has [1, 32, 32]; export "
                             "the network with --input 1,32,32");
  testing::expect_misuse(
      [&] { models::make_exported(path, {.num_classes = 7}); },
      path +
          ": maps 2 images to [2, 10], but the data has 7 classes; export the network with "
          "--classes 7");
  models::ModelOptions options;
  options.name = "file:" + path;
  options.file_hash = "0";
  testing::expect_misuse([&] { models::make_model(options, {}, 0); },
                         path + ": is another file than the run began with (SHA-1 " +
                             models::file_sha1(path) +
                             ", wanted 0); put the old one back, or begin a new run");
}

}  // namespace
}  // namespace unlazy
