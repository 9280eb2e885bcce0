#include "optim/flat_parameters.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/linear.h>

#include "models/model.h"

namespace unlazy::optim {
namespace {

std::shared_ptr<models::Model> resnet20() {
  models::ModelOptions options;
  options.name = "resnet20";
  return models::make_model(options, {}, /*seed=*/1);
}

TEST(FlatParameters, HoldsEveryParameterUnderItsName) {
  const auto model = resnet20(), untouched = resnet20();
  const FlatParameters flat(model->module(), c10::kCPU, c10::kFloat);
  EXPECT_EQ(flat.size(), models::num_parameters(*untouched));
  const auto expected = untouched->module().named_parameters();
  ASSERT_EQ(flat.segments().size(), expected.size());
  for (const auto& segment : flat.segments()) {
    EXPECT_TRUE(at::equal(FlatParameters::view(flat.values(), segment), expected[segment.name]))
        << segment.name;
  }
}

TEST(FlatParameters, PutsWeightsFirstThenBiasesThenNormalisation) {
  const auto model = resnet20();
  const FlatParameters flat(model->module(), c10::kCPU, c10::kFloat);
  for (const auto& segment : flat.segments()) {
    EXPECT_EQ(segment.offset < flat.num_weights(), segment.shape.size() >= 2) << segment.name;
  }
  EXPECT_EQ(flat.segments().back().name, "layer3.2.bn2.bias");
  const auto bias = std::find_if(flat.segments().begin(), flat.segments().end(),
                                 [](const Segment& s) { return s.name == "linear.bias"; });
  EXPECT_EQ(bias->offset, flat.num_weights());
}

TEST(FlatParameters, ChangingTheBufferChangesTheNetwork) {
  const auto model = resnet20();
  FlatParameters flat(model->module(), c10::kCPU, c10::kFloat);
  flat.values().fill_(0.5);
  flat.publish();
  for (const auto& parameter : model->module().parameters())
    EXPECT_TRUE((parameter == 0.5).all().item<bool>());
}

TEST(FlatParameters, Bf16NetworkSeesRoundedMasterWeightsAndFullNormalisation) {
  const auto model = resnet20();
  FlatParameters flat(model->module(), c10::kCPU, c10::kBFloat16);
  EXPECT_EQ(flat.values().scalar_type(), c10::kFloat);
  const auto parameters = model->module().named_parameters();
  EXPECT_EQ(parameters["layer1.0.conv1.weight"].scalar_type(), c10::kBFloat16);
  EXPECT_EQ(parameters["linear.bias"].scalar_type(), c10::kBFloat16);
  EXPECT_EQ(parameters["layer1.0.bn1.weight"].scalar_type(), c10::kFloat);
  flat.values().fill_(1.00390625);  // 1 + 2^-8, halfway between two bf16 numbers: to even, 1
  flat.publish();
  EXPECT_EQ(parameters["conv1.weight"].flatten()[0].item<float>(), 1.0f);
  EXPECT_EQ(parameters["bn1.weight"][0].item<float>(), 1.00390625f);
}

TEST(FlatParameters, InMasterPrecisionTheNetworkSeesTheMasterItself) {
  const auto model = resnet20();
  FlatParameters flat(model->module(), c10::kCPU, c10::kBFloat16);
  const auto parameters = model->module().named_parameters();
  const auto& weight = parameters["layer1.0.conv1.weight"];
  flat.values().fill_(1.00390625);  // 1 + 2^-8, which bf16 rounds to 1
  flat.publish();
  EXPECT_EQ(flat.compute_dtype(), c10::kBFloat16);
  {
    const FlatParameters::MasterPrecision master(flat);
    EXPECT_EQ(flat.compute_dtype(), c10::kFloat);
    for (const auto& parameter : model->module().parameters()) {
      EXPECT_EQ(parameter.scalar_type(), c10::kFloat);
      EXPECT_TRUE((parameter == 1.00390625).all().item<bool>());
    }
    flat.clear_gradients();
    (weight * 1.00390625).sum().backward();
    flat.collect_gradients(/*is_first=*/true);
    EXPECT_EQ(flat.gradients().max().item<float>(), 1.00390625f);
    flat.values().fill_(2.5);
    flat.publish();
    EXPECT_TRUE((weight == 2.5).all().item<bool>());
  }
  EXPECT_EQ(weight.scalar_type(), c10::kBFloat16);
  EXPECT_TRUE((weight == 1).all().item<bool>()) << "the copy was written meanwhile";
  flat.publish();
  EXPECT_TRUE((weight == 2.5).all().item<bool>());
}

// The gradients of two halves of a batch, added, are those of the whole (no normalisation, so that
// samples do not interact).
TEST(FlatParameters, CollectsGradientsOfSeveralPasses) {
  for (const auto dtype : {c10::kDouble, c10::kBFloat16}) {
    models::ModelOptions options;
    options.name = "mlp";
    options.hidden_width = 16;
    const auto model = models::make_model(options, {3, 4, 4, 5}, 2);
    FlatParameters flat(model->module(), c10::kCPU, dtype);
    const auto x = at::randn({8, 3, 4, 4}).to(dtype);
    const auto pass = [&](int64_t begin, int64_t length, bool is_first) {
      model->forward(x.narrow(0, begin, length)).pow(2).sum().backward();
      flat.collect_gradients(is_first);
    };
    flat.clear_gradients();
    pass(0, 8, true);
    const auto whole = flat.gradients().clone();
    flat.clear_gradients();
    pass(0, 4, true);
    pass(4, 4, false);
    const double tolerance = dtype == c10::kDouble ? 1e-12 : 0.02;
    EXPECT_LT((flat.gradients() - whole).norm().item<double>(),
              tolerance * whole.norm().item<double>());
    EXPECT_GT(whole.norm().item<double>(), 0);
  }
}

class LinearTwice : public torch::nn::Module {
 public:
  LinearTwice() : linear(4, 4) {
    register_module("first", linear.ptr());
    register_module("second", linear.ptr());
  }
  torch::nn::Linear linear;
};

TEST(FlatParameters, AModuleRegisteredTwiceHasOnePlace) {
  LinearTwice module;
  const FlatParameters flat(module, c10::kCPU, c10::kFloat);
  EXPECT_EQ(flat.size(), 20);
  ASSERT_EQ(flat.segments().size(), 2u);
  EXPECT_EQ(flat.segments()[0].name, "first.weight");
  flat.values().fill_(0.5);
  EXPECT_TRUE((module.linear->weight == 0.5).all().item<bool>());
}

}  // namespace
}  // namespace unlazy::optim
