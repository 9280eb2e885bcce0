// Networks against PyTorch: the same weights from the same seed, bit for bit, and the same logits,
// loss and gradients.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>

#include <string>
#include <vector>

#include "core/names.h"
#include "models/reference.h"

namespace unlazy {
namespace {

using testing::reference;
using testing::reference_images;
using testing::reference_model;
using testing::relative_distance;

class PytorchReference : public ::testing::TestWithParam<const char*> {};

// sum of bits * (1 + index mod 251)
int64_t checksum(const at::Tensor& parameter) {
  const auto bits = parameter.detach().flatten().view(at::kInt).to(at::kLong);
  return (bits * (1 + at::arange(bits.numel(), at::kLong).remainder(251))).sum().item<int64_t>();
}

TEST_P(PytorchReference, SameNamesInTheSameOrder) {
  const std::string name = GetParam();
  const auto model = reference_model(name);
  const auto parameters = model->module().named_parameters();
  EXPECT_EQ(join(parameters.keys(), ","), reference().metadata.at(name + ".parameters"));
  EXPECT_EQ(std::to_string(models::num_parameters(*model)),
            reference().metadata.at(name + ".count"));
}

TEST_P(PytorchReference, SameSeedGivesTheSameWeights) {
  const std::string name = GetParam();
  if (testing::draws_normal_weights(name)) GTEST_SKIP() << "normal draws differ by CPU";
  const auto model = reference_model(name);
  const auto wanted = reference().at(name + ".checksums");
  int64_t i = 0;
  for (const auto& item : model->module().named_parameters()) {
    EXPECT_EQ(checksum(item.value()), wanted[i++].item<int64_t>()) << item.key();
  }
  EXPECT_EQ(i, wanted.numel());
}

void expect_same_gradients(models::Model& model, const std::string& name, double tolerance) {
  const auto norms = reference().at(name + ".gradient_norms");
  // A bias before BatchNorm (vgg) has a gradient of rounding errors only.
  const double rounding = 1e-2 * tolerance * norms.max().item<double>();
  int64_t i = 0;
  for (const auto& item : model.module().named_parameters()) {
    const double wanted = norms[i++].item<double>();
    EXPECT_NEAR(item.value().grad().to(at::kDouble).norm().item<double>(), wanted,
                tolerance * wanted + rounding)
        << item.key();
  }
}

void expect_same_results(const std::string& name, at::MemoryFormat format) {
  const auto model = reference_model(name);
  const auto images = reference_images().contiguous(format);
  testing::set_format(model->module(), format);
  const auto logits = model->forward(images);
  const auto loss = at::cross_entropy_loss(logits, reference().at("labels"));
  loss.backward();
  EXPECT_LT(relative_distance(logits, reference().at(name + ".logits")), 1e-4);
  EXPECT_LT(relative_distance(loss, reference().at(name + ".loss")), 1e-5);
  expect_same_gradients(*model, name, 1e-2);
  at::NoGradGuard no_grad;
  model->module().eval();
  EXPECT_LT(relative_distance(model->forward(images), reference().at(name + ".eval_logits")), 1e-4);
}

TEST_P(PytorchReference, SameLogitsLossAndRunningStatistics) {
  expect_same_results(GetParam(), at::MemoryFormat::Contiguous);
}

// The layout of a training run on the CPU: here the fused kernels serve.
TEST_P(PytorchReference, SameLogitsLossAndRunningStatisticsInChannelsLast) {
  expect_same_results(GetParam(), at::MemoryFormat::ChannelsLast);
}

TEST_P(PytorchReference, SameGradientsInDoublePrecision) {
  const std::string name = GetParam();
  if (name == "resnet18" || name == "vgg") GTEST_SKIP() << "too slow in fp64";
  const auto model = reference_model(name);
  model->module().to(at::kDouble);
  const auto logits = model->forward(reference_images().to(at::kDouble));
  at::cross_entropy_loss(logits, reference().at("labels")).backward();
  expect_same_gradients(*model, name, testing::draws_normal_weights(name) ? 1e-4 : 1e-8);
}

INSTANTIATE_TEST_SUITE_P(Cases, PytorchReference,
                         ::testing::Values("resnet18", "resnet20", "mlp", "vgg", "resnet20-group",
                                           "resnet20-none", "resnet20-kaiming", "wrn", "ntk-wrn",
                                           "mlp-erf-ntk", "mlp-erf-standard", "resnet20-none-ntk"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace unlazy
