// What every network of the registry must do; a newcomer is tested with no further line here.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn_like.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "core/files.h"
#include "core/safetensors.h"
#include "linearise/linearised_model.h"
#include "models/init.h"
#include "models/model.h"
#include "models/weights.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"

namespace unlazy {
namespace {

using models::Model;
using models::ModelOptions;

constexpr int64_t kNumImages = 4;

// wrn-D-K are sizes of wrn, up to 5 GMAC an image; a test below sees that they are.
bool is_sized_wrn(const std::string& name) { return name.starts_with("wrn-"); }

std::vector<std::string> names() {
  std::vector<std::string> list;
  for (const auto& entry : models::registry().entries()) {
    if (!is_sized_wrn(entry.name)) list.push_back(entry.name);
  }
  return list;
}

std::shared_ptr<Model> make(const std::string& name, uint64_t seed = 0) {
  ModelOptions options;
  options.name = name;
  return models::make_model(options, {}, seed);
}

at::Tensor images() {
  const models::SeededGenerator seeded(7);
  return at::rand({kNumImages, 3, 32, 32}) * 4 - 2;
}

double distance(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>() /
         b.to(at::kDouble).abs().max().item<double>();
}

class EveryModel : public ::testing::TestWithParam<std::string> {};

TEST_P(EveryModel, GivesFiniteLogitsAndGradientsForEveryParameter) {
  const auto model = make(GetParam());
  const auto logits = model->forward(images());
  ASSERT_EQ(logits.sizes().vec(), (std::vector<int64_t>{kNumImages, 10}));
  EXPECT_TRUE(at::isfinite(logits).all().item<bool>());
  at::cross_entropy_loss(logits, at::tensor({0, 1, 2, 3}, at::kLong)).backward();
  for (const auto& item : model->module().named_parameters()) {
    ASSERT_TRUE(item.value().grad().defined()) << item.key();
    EXPECT_TRUE(at::isfinite(item.value().grad()).all().item<bool>()) << item.key();
    EXPECT_GT(item.value().grad().abs().max().item<double>(), 0) << item.key();
  }
}

// f(x; theta0 + h d) is f_lin there up to h^2.
TEST_P(EveryModel, IsFollowedByItsLinearisation) {
  const at::NoGradGuard no_grad;
  const auto model = make(GetParam()), moved = make(GetParam());
  for (const auto& network : {model, moved}) {
    network->module().to(c10::kDouble);
    network->module().eval();
  }
  const auto x = images().narrow(0, 0, 2).to(c10::kDouble);
  const auto f0 = moved->forward(x);
  linearise::LinearisedModel linear(model, nullptr, 1, x);
  EXPECT_LT(distance(linear.forward(x), f0), 1e-12);
  const double h = 1e-9;
  const models::SeededGenerator seeded(3);
  const auto names = linear.module().named_parameters();
  for (auto& item : moved->module().named_parameters()) {
    const auto d = at::randn_like(item.value());
    names[item.key()].add_(d);  // d, not h d: the linearisation does not mind
    item.value().add_(d * h);
  }
  EXPECT_LT(distance((moved->forward(x) - f0) / h, linear.forward(x) - f0), 1e-4);
}

// Also after the running statistics have moved; a layer that looked at the batch would show.
TEST_P(EveryModel, EvaluationOfAnImageDoesNotDependOnTheBatch) {
  const auto model = make(GetParam());
  const at::NoGradGuard no_grad;
  const auto x = images();
  model->forward(x);
  model->module().eval();
  const auto whole = model->forward(x);
  EXPECT_LT(distance(model->forward(x.slice(0, 0, 2)), whole.slice(0, 0, 2)), 1e-5);
  EXPECT_TRUE(at::equal(model->forward(x), whole)) << "evaluation changed the state";
}

TEST_P(EveryModel, MemoryFormatDoesNotMatter) {
  const at::NoGradGuard no_grad;
  const auto x = images();
  const auto plain = make(GetParam())->forward(x);
  const auto model = make(GetParam());
  for (auto& parameter : model->module().parameters()) {
    if (parameter.dim() != 4) continue;
    parameter.set_data(parameter.data().contiguous(at::MemoryFormat::ChannelsLast));
  }
  EXPECT_LT(distance(model->forward(x.contiguous(at::MemoryFormat::ChannelsLast)), plain), 1e-4);
}

TEST_P(EveryModel, WeightsAreAFunctionOfTheSeed) {
  const auto a = make(GetParam(), 5), b = make(GetParam(), 5), c = make(GetParam(), 6);
  const auto of_a = models::named_tensors(*a), of_b = models::named_tensors(*b);
  bool differs = false;
  for (size_t i = 0; i < of_a.size(); ++i) {
    EXPECT_TRUE(at::equal(of_a[i].second, of_b[i].second)) << of_a[i].first;
    differs |= !at::equal(of_a[i].second, models::named_tensors(*c)[i].second);
  }
  EXPECT_TRUE(differs);
}

TEST_P(EveryModel, NamesInTheStateAreUnique) {
  const auto model = make(GetParam());
  std::set<std::string> seen;
  for (const auto& [name, tensor] : models::named_tensors(*model)) {
    EXPECT_TRUE(seen.insert(name).second) << name;
  }
  EXPECT_EQ(seen.size(), model->module().parameters().size() + model->module().buffers().size());
}

TEST_P(EveryModel, DoublePrecisionAgrees) {
  const at::NoGradGuard no_grad;
  const auto x = images();
  const auto single = make(GetParam())->forward(x);
  const auto model = make(GetParam());
  model->module().to(at::kDouble);
  const auto exact = model->forward(x.to(at::kDouble));
  EXPECT_EQ(exact.scalar_type(), at::kDouble);
  EXPECT_LT(distance(single, exact), 1e-4);
}

// As in bf16 training: weights of convolutions and linear layers, with their biases, in bf16;
// scale, shift and statistics of the normalisation in fp32.
TEST_P(EveryModel, Bf16WeightsAreNearFp32) {
  const auto x = images();
  const auto exact = make(GetParam())->forward(x);
  const auto model = make(GetParam());
  for (const auto& child : model->module().modules()) {
    const auto parameters = child->named_parameters(/*recurse=*/false);
    const bool is_low = parameters.contains("weight") && parameters["weight"].dim() > 1;
    for (auto parameter : child->parameters(/*recurse=*/false)) {
      if (is_low) parameter.set_data(parameter.data().to(at::kBFloat16));
    }
  }
  const auto logits = model->forward(x.to(at::kBFloat16));
  EXPECT_EQ(logits.scalar_type(), at::kBFloat16);
  EXPECT_LT(distance(logits, exact), 0.1);
  at::cross_entropy_loss(logits.to(at::kFloat), at::tensor({0, 1, 2, 3}, at::kLong)).backward();
  for (const auto& item : model->module().named_parameters()) {
    EXPECT_TRUE(item.value().grad().defined()) << item.key();
  }
}

TEST_P(EveryModel, ServesOtherNumbersOfChannelsAndClasses) {
  ModelOptions options;
  options.name = GetParam();
  const auto model =
      models::make_model(options, {.channels = 1, .height = 40, .width = 36, .num_classes = 7}, 0);
  const at::NoGradGuard no_grad;
  EXPECT_EQ(model->forward(at::rand({2, 1, 40, 36})).sizes().vec(), (std::vector<int64_t>{2, 7}));
}

TEST_P(EveryModel, WeightsSurviveAFile) {
  const testing::ScratchFolder scratch;
  const auto path = scratch / "w.safetensors";
  const auto written = make(GetParam(), 1), read = make(GetParam(), 2);
  models::save_weights(*written, GetParam(), path);
  models::load_weights(*read, path);
  const auto wanted = models::named_tensors(*written), found = models::named_tensors(*read);
  for (size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_TRUE(at::equal(found[i].second, wanted[i].second)) << wanted[i].first;
  }
}

INSTANTIATE_TEST_SUITE_P(Registry, EveryModel, ::testing::ValuesIn(names()), [](const auto& test) {
  std::string name = test.param;
  std::erase(name, '-');
  return name;
});

// A registry line without a file does not link; this is the other direction.
TEST(ModelRegistry, EveryMakerInTheFolderHasALine) {
  namespace fs = std::filesystem;
  const std::string folder = UNLAZY_SOURCE_DIR "/models";
  const auto registry = read_file(folder + "/registry.cpp");
  int num_found = 0;
  for (const auto& file : fs::directory_iterator(folder)) {
    if (file.path().extension() != ".cpp" || file.path().filename() == "registry.cpp") continue;
    const auto text = read_file(file.path().string());
    if (text.find("public Model") == std::string::npos) continue;
    ++num_found;
    const auto maker = "make_" + file.path().stem().string();
    EXPECT_NE(registry.find(maker), std::string::npos)
        << file.path() << " holds a model; models/registry.cpp does not know " << maker;
  }
  EXPECT_GE(num_found, 3);
}

TEST(ModelRegistry, SizesAreThoseOfThePapers) {
  // He et al. 2016, table 6 (0.27M, 0.46M, 0.66M, 0.85M); the others are counts of the usual Python
  // implementations.
  const std::vector<std::pair<std::string, int64_t>> sizes{
      {"resnet18", 11'173'962}, {"resnet34", 21'282'122}, {"resnet20", 269'722},
      {"resnet32", 464'154},    {"resnet44", 658'586},    {"resnet56", 853'018},
      {"vgg", 14'728'266},      {"mlp", 1'841'162},       {"wrn", 77'850},
      {"ntk-wrn", 100'144}};
  for (const auto& [name, size] : sizes)
    EXPECT_EQ(models::num_parameters(*make(name)), size) << name;
}

// Parameters of WRN-D-K with 10 classes, summed layer by layer.
int64_t wide_resnet_size(int64_t depth, int64_t factor) {
  const int64_t blocks = (depth - 4) / 6;
  int64_t size = 3 * 16 * 9, in = 16;
  for (int64_t out = 16 * factor; out <= 64 * factor; out *= 2) {
    const int64_t shortcut = in == out ? 0 : in * out;
    size += 2 * in + in * out * 9 + 2 * out + out * out * 9 + shortcut;
    size += (blocks - 1) * (2 * out * out * 9 + 4 * out);
    in = out;
  }
  return size + 2 * in + in * 10 + 10;
}

// The table of Zagoruyko & Komodakis 2016 has 36.5M for WRN-28-10, 2.2M for 40-2 and 8.9M for 40-4.
TEST(ModelRegistry, SizedWideResnetsAreWhatTheirNameSays) {
  EXPECT_EQ(wide_resnet_size(28, 10), 36'479'194);
  int num_found = 0;
  for (const auto& entry : models::registry().entries()) {
    if (!is_sized_wrn(entry.name)) continue;
    ++num_found;
    const auto at = entry.name.find('-', 4);
    const int64_t depth = std::stol(entry.name.substr(4)),
                  factor = std::stol(entry.name.substr(at + 1));
    const auto sized = make(entry.name);
    EXPECT_EQ(models::num_parameters(*sized), wide_resnet_size(depth, factor)) << entry.name;
    ModelOptions options;
    options.name = "wrn";
    options.blocks = (depth - 4) / 6;
    options.width_factor = factor;
    const auto generic = models::make_model(options, {}, 0);
    EXPECT_EQ(sized->module().named_parameters().keys(),
              generic->module().named_parameters().keys());
  }
  EXPECT_GE(num_found, 3);
}

}  // namespace
}  // namespace unlazy
