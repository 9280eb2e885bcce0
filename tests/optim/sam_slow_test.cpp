// Twenty steps of the SAM family on ResNet-20 against PyTorch: tests/golden/make_sam_reference.py.
#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>

#include <optional>

#include "core/safetensors.h"
#include "models/frozen_statistics.h"
#include "models/model.h"
#include "models/weights.h"
#include "optim/loss.h"
#include "optim/optimizer.h"

namespace unlazy::optim {
namespace {

struct Reference {
  std::string key;
  OptimizerOptions options;
  double rho;
  double lr = 0.05;
};

std::vector<Reference> references() {
  auto make = [](const std::string& name) {
    OptimizerOptions options;
    options.name = name;
    options.momentum = 0.9;
    options.weight_decay = 5e-4;
    return options;
  };
  std::vector<Reference> list = {
      {"sam", make("sam"), 0.05},          {"sam-unnormalized", make("sam"), 0.02},
      {"sam-m", make("sam"), 0.05},        {"asam", make("asam"), 0.5},
      {"asam-weights", make("asam"), 0.5}, {"gsam", make("gsam"), 0.05}};
  list[1].options.sharpness.variant = "unnormalized";
  list[2].options.sharpness.group_size = 4;
  list[4].options.sharpness.scaling = "weights";
  for (const std::string name : {"adamw", "sam-adamw"}) {
    auto options = make(name == "adamw" ? "adamw" : "sam");
    options.momentum = 0;
    options.weight_decay = 0.05;
    if (name != "adamw") options.sharpness.base = "adamw";
    list.push_back({name, options, 0.05, /*lr=*/1e-3});
  }
  return list;
}

// In fp32 the loss alone: a ReLU that rounding puts on its other side moves a weight by percents.
void compare_with_reference(const Reference& reference, const TensorFile& file,
                            c10::ScalarType dtype, double tolerance) {
  models::ModelOptions model_options;
  model_options.name = "resnet20";
  const auto model = models::make_model(model_options, {3, 16, 16, 10}, 5);
  model->module().train();
  FlatParameters flat(model->module(), c10::kCPU, dtype);
  const auto optimizer = make_optimizer(reference.options, flat);
  const Loss loss{LossOptions{}};
  const auto images = file.at("images").to(dtype).contiguous(at::MemoryFormat::ChannelsLast);
  const auto labels = file.at("labels");
  std::vector<double> losses;
  const GradientPass gradient = [&](bool updates_statistics, const Span& samples) {
    std::optional<models::FrozenStatistics> frozen;
    if (!updates_statistics) frozen.emplace(model->module());
    const int64_t count = samples.end - samples.begin;
    flat.clear_gradients();
    const auto mean = loss.mean(model->forward(images.narrow(0, samples.begin, count)),
                                labels.narrow(0, samples.begin, count));
    mean.backward();
    flat.collect_gradients(true);
    if (!updates_statistics) return;
    if (samples.begin == 0) losses.push_back(0);
    losses.back() += mean.item<double>() * static_cast<double>(count) / 8;
  };
  for (int i = 0; i < 20; ++i) {
    optimizer->step(gradient, {at::tensor(reference.lr, flat.values().options()),
                               at::tensor(reference.rho, flat.values().options()), true, 8});
  }
  const auto near = [&](const at::Tensor& got, const at::Tensor& wanted, const std::string& name) {
    const double error =
        (got.to(c10::kDouble) - wanted).norm().item<double>() / wanted.norm().item<double>();
    EXPECT_LT(error, tolerance) << reference.key << " " << c10::toString(dtype) << " " << name;
  };
  near(at::tensor(losses, at::kDouble), file.at(reference.key + "/loss"), "loss");
  if (dtype == c10::kFloat) return;
  int compared = 0;
  for (const auto& [name, tensor] : models::named_tensors(*model)) {
    const auto key = reference.key + "/" + name;
    if (!file.contains(key)) continue;
    near(tensor, file.at(key), name);
    ++compared;
  }
  EXPECT_EQ(compared, 7);
}

TEST(SamReference, TwentyStepsAgreeWithPyTorch) {
  const auto file = load_tensors(UNLAZY_SOURCE_DIR "/tests/golden/sam_reference.safetensors");
  for (const auto& reference : references()) {
    compare_with_reference(reference, file, c10::kDouble, 1e-12);
    compare_with_reference(reference, file, c10::kFloat, 2e-3);
  }
}

}  // namespace
}  // namespace unlazy::optim
