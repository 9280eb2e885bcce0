// Twenty steps of SGD with momentum and weight decay against PyTorch's optimizer, with the update
// written out here:
//   v <- 0.9 v + (g + 5e-4 w),  w <- w - lr v
// What the training loop does with its own optimizer is tested there; this is about the networks'
// gradients.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>

#include <string>
#include <vector>

#include "models/reference.h"

namespace unlazy {
namespace {

using testing::reference;

void sgd_step(std::vector<at::Tensor>& weights, std::vector<at::Tensor>& momenta, double lr) {
  at::NoGradGuard no_grad;
  for (size_t i = 0; i < weights.size(); ++i) {
    momenta[i].mul_(0.9).add_(weights[i].grad()).add_(weights[i], 5e-4);
    weights[i].sub_(momenta[i], lr);
    weights[i].mutable_grad().reset();
  }
}

void expect_same_losses(const std::string& name, at::ScalarType dtype, double lr,
                        double tolerance) {
  const auto model = testing::reference_model(name);
  model->module().to(dtype);
  testing::set_format(model->module(), at::MemoryFormat::ChannelsLast);
  const auto images =
      testing::reference_images().to(dtype).contiguous(at::MemoryFormat::ChannelsLast);
  const auto labels = reference().at("labels");
  auto weights = model->module().parameters();
  std::vector<at::Tensor> momenta;
  for (const auto& weight : weights) momenta.push_back(at::zeros_like(weight).detach());
  const auto losses = reference().at(name + ".losses");
  for (int64_t step = 0; step < losses.numel(); ++step) {
    const auto loss = at::cross_entropy_loss(model->forward(images), labels);
    const double wanted = losses[step].item<double>();
    EXPECT_NEAR(loss.item<double>(), wanted, tolerance * wanted) << "step " << step;
    loss.backward();
    sgd_step(weights, momenta, lr);
  }
}

TEST(PytorchReferenceSteps, Resnet18) { expect_same_losses("resnet18", at::kFloat, 2e-4, 1e-3); }

// In fp64, where 20 steps at a learning rate at which all terms count stay comparable.
TEST(PytorchReferenceSteps, Resnet20) { expect_same_losses("resnet20", at::kDouble, 0.02, 1e-6); }

TEST(PytorchReferenceSteps, Mlp) { expect_same_losses("mlp", at::kFloat, 0.01, 1e-5); }

}  // namespace
}  // namespace unlazy
