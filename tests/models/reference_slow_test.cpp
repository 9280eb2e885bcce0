// Twenty steps of SGD with momentum and weight decay against PyTorch: the networks' gradients, the
// flat buffers, the loss and the optimizer together.
#include <ATen/ops/scalar_tensor.h>
#include <gtest/gtest.h>

#include <string>

#include "models/reference.h"
#include "optim/loss.h"
#include "optim/optimizer.h"

namespace unlazy {
namespace {

using testing::reference;

void expect_same_losses(const std::string& name, at::ScalarType dtype, double lr,
                        double tolerance) {
  const auto model = testing::reference_model(name);
  optim::FlatParameters parameters(model->module(), at::kCPU, dtype);
  optim::OptimizerOptions options;
  options.momentum = 0.9;
  options.weight_decay = 5e-4;
  const auto sgd = optim::make_optimizer(options, parameters);
  const optim::Loss loss_function({});
  const auto images =
      testing::reference_images().to(dtype).contiguous(at::MemoryFormat::ChannelsLast);
  const auto labels = reference().at("labels");
  const auto losses = reference().at(name + ".losses");
  for (int64_t step = 0; step < losses.numel(); ++step) {
    double loss = 0;
    const auto gradient = [&](bool, const Span&) {
      parameters.clear_gradients();
      const auto mean = loss_function.mean(model->forward(images), labels);
      mean.backward();
      parameters.collect_gradients(/*is_first=*/true);
      loss = mean.item<double>();
    };
    optim::StepInputs inputs;
    inputs.lr = at::scalar_tensor(lr, at::TensorOptions().dtype(dtype));
    inputs.batch_size = labels.numel();
    sgd->step(gradient, inputs);
    const double wanted = losses[step].item<double>();
    EXPECT_NEAR(loss, wanted, tolerance * wanted) << "step " << step;
  }
}

TEST(PytorchReferenceSteps, Resnet18) { expect_same_losses("resnet18", at::kFloat, 2e-4, 1e-3); }

// In fp64, where 20 steps at a learning rate at which all terms count stay comparable.
TEST(PytorchReferenceSteps, Resnet20) { expect_same_losses("resnet20", at::kDouble, 0.02, 1e-6); }

TEST(PytorchReferenceSteps, Mlp) { expect_same_losses("mlp", at::kFloat, 0.01, 1e-5); }

}  // namespace
}  // namespace unlazy
