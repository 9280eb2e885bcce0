// The NTK and standard parameterisations: against neural-tangents' WideResnet, against each other,
// padding against arithmetic, and the autograd graph that kernels are read from.
#include "models/ntk_layers.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/function.h>

#include <cmath>
#include <string>

#include "models/init.h"
#include "models/reference.h"
#include "models/weights.h"

namespace unlazy {
namespace {

using models::ConvShape;
using models::ModelOptions;
using models::Padding;
using models::Parameterization;
using models::ScaledConv2d;
using models::ScaledLinear;
using testing::relative_distance;
using Kind = Parameterization::Kind;

const TensorFile& golden() {
  static const TensorFile file =
      load_tensors(UNLAZY_SOURCE_DIR "/tests/golden/neural_tangents_wrn_n1_k1.safetensors");
  return file;
}

std::string weight_name(int place) {
  return std::string(place < 10 ? "w.0" : "w.") + std::to_string(place);
}

// ntk-wrn of the file's size with its weights, which are in the order of the parameters.
std::shared_ptr<models::Model> golden_model(at::ScalarType dtype) {
  ModelOptions options;
  options.name = "ntk-wrn";
  options.blocks = std::stol(golden().metadata.at("n"));
  options.width_factor = std::stol(golden().metadata.at("k"));
  const auto model = models::make_model(options, {}, 0);
  model->module().to(dtype);
  const at::NoGradGuard no_grad;
  int place = 0;
  for (auto& parameter : model->module().parameters())
    parameter.copy_(golden().at(weight_name(place++)));
  EXPECT_FALSE(golden().contains(weight_name(place))) << "weights are left over";
  return model;
}

TEST(NtkWideResnet, OutputsAreThoseOfNeuralTangents) {
  const at::NoGradGuard no_grad;
  for (const auto& [dtype, tolerance] :
       {std::pair(at::kDouble, 1e-9), std::pair(at::kFloat, 1e-4)}) {
    const auto model = golden_model(dtype);
    for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
      testing::set_format(model->module(), format);
      for (const std::string part : {"train", "test"}) {
        const auto x = golden().at("x_" + part).to(dtype).contiguous(format);
        EXPECT_LT(relative_distance(model->forward(x), golden().at("f_" + part)), tolerance)
            << part;
      }
    }
  }
}

// A network and its twin in the standard parameterisation with the same effective weights: equal
// outputs; gradients differ by the scale.
void expect_same_function(ModelOptions options) {
  options.w_std = 1.5;
  options.b_std = 0.7;
  options.parameterization = "ntk";
  const auto ntk = models::make_model(options, {}, 1);
  options.parameterization = "standard";
  const auto standard = models::make_model(options, {}, 2);
  for (const auto& model : {ntk, standard}) model->module().to(at::kDouble);
  const auto of_ntk = ntk->module().named_parameters();
  const auto of_standard = standard->module().named_parameters();
  ASSERT_EQ(of_ntk.keys(), of_standard.keys());
  const auto scale = [&](const at::Tensor& w) {
    const auto fan_in = static_cast<double>(w.numel() / w.size(0));
    return w.dim() == 1 ? options.b_std : options.w_std / std::sqrt(fan_in);
  };
  {
    const at::NoGradGuard no_grad;
    for (const auto& key : of_ntk.keys())
      at::Tensor(of_standard[key]).copy_(of_ntk[key] * scale(of_ntk[key]));
  }
  const auto x = at::rand({2, 3, 32, 32}, at::kDouble) - 0.5;
  const auto f = ntk->forward(x), g = standard->forward(x);
  EXPECT_LT(relative_distance(f, g), 1e-13);
  f.pow(2).sum().backward();
  g.pow(2).sum().backward();
  for (const auto& key : of_ntk.keys()) {
    const auto wanted = of_standard[key].grad() * scale(of_ntk[key]);
    EXPECT_LT(relative_distance(of_ntk[key].grad(), wanted), 1e-11) << key;
  }
}

TEST(NtkLayers, ParameterizationsDifferByTheScaleOnly) {
  expect_same_function({.name = "mlp", .hidden_width = 16});
  expect_same_function({.name = "mlp", .hidden_width = 16, .activation = "erf"});
  expect_same_function({.name = "ntk-wrn"});
  expect_same_function({.name = "resnet20", .norm = "none"});
  expect_same_function({.name = "resnet18", .norm = "none"});
}

// The parameterisation changes the weights' scale, not the network: with the same names and, where
// there are biases, the same weights, the resnet is the one of PyTorch's parameterisation.
TEST(NtkLayers, StandardResnetIsTheOrdinaryOne) {
  ModelOptions options{.name = "resnet20", .norm = "none"};
  const auto ordinary = models::make_model(options, {}, 1);
  options.parameterization = "standard";
  options.b_std = 1;
  const auto scaled = models::make_model(options, {}, 2);
  const auto from = models::named_tensors(*ordinary), to = models::named_tensors(*scaled);
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < from.size(); ++i) {
    EXPECT_EQ(from[i].first, to[i].first);
    to[i].second.copy_(from[i].second);
  }
  const auto x = at::rand({2, 3, 32, 32});
  EXPECT_TRUE(at::equal(ordinary->forward(x), scaled->forward(x)));
}

// Every 3x3 window summed. 4 x 4 with 0 1 .. 15: "same" looks at rows and columns 0-2 and 2-4 (the
// last beyond the end), PyTorch's padding at -1-1 and 1-3.
TEST(NtkLayers, SamePaddingIsAtTheEnd) {
  const at::NoGradGuard no_grad;
  const auto sums = [](int64_t size, Padding padding, int64_t kernel = 3) {
    ConvShape shape{1, 1, kernel, 2, padding};
    ScaledConv2d conv(shape, Parameterization{Kind::kStandard});
    conv->parameters()[0].fill_(1);
    return conv->forward(at::arange(size * size, at::kFloat).view({1, 1, size, size}))
        .view({-1, (size + 1) / 2});
  };
  const auto square = [](float a, float b, float c, float d) {
    return at::tensor({a, b, c, d}).view({2, 2});
  };
  EXPECT_TRUE(at::equal(sums(4, Padding::kSame), square(45, 39, 66, 50)));
  EXPECT_TRUE(at::equal(sums(4, Padding::kHalf), square(10, 24, 51, 90)));
  // Odd sizes want one at each end: here the two are the same.
  EXPECT_TRUE(at::equal(sums(3, Padding::kSame), square(8, 12, 20, 24)));
  EXPECT_TRUE(at::equal(sums(5, Padding::kSame), sums(5, Padding::kHalf)));
  EXPECT_TRUE(at::equal(sums(4, Padding::kSame, 1), square(0, 2, 8, 10)));
}

double deviation(const at::Tensor& tensor) {
  return tensor.pow(2).mean().sqrt().item<double>();  // around 0
}

TEST(NtkLayers, DrawsHaveTheirStandardDeviations) {
  const models::SeededGenerator seeded(5);
  const Parameterization ntk{Kind::kNtk, 2, 0.25}, standard{Kind::kStandard, 2, 0.25};
  const auto expect_near = [](const at::Tensor& draws, double wanted) {
    // Five standard errors of the standard deviation of n normal draws.
    EXPECT_NEAR(deviation(draws), wanted,
                5 * wanted / std::sqrt(2 * static_cast<double>(draws.numel())));
  };
  const ConvShape shape{32, 64};
  const double of_conv = 2 / std::sqrt(32 * 9), of_linear = 2 / std::sqrt(100);
  ScaledConv2d ntk_conv(shape, ntk), standard_conv(shape, standard);
  ScaledLinear ntk_linear(100, 80, ntk), standard_linear(100, 80, standard);
  expect_near(ntk_conv->parameters()[0], 1);
  expect_near(ntk_conv->parameters()[1], 1);
  expect_near(standard_conv->parameters()[0], of_conv);
  expect_near(standard_conv->parameters()[1], 0.25);
  expect_near(ntk_linear->parameters()[0], 1);
  expect_near(standard_linear->parameters()[0], of_linear);
  expect_near(standard_linear->parameters()[1], 0.25);
}

TEST(NtkLayers, NoBiasWhereItsDeviationIsZero) {
  for (const auto kind : {Kind::kNtk, Kind::kStandard}) {
    EXPECT_EQ(ScaledConv2d(ConvShape{3, 4}, Parameterization{kind})->parameters().size(), 1u);
    EXPECT_EQ(ScaledLinear(3, 4, Parameterization{kind})->parameters().size(), 1u);
    EXPECT_EQ(ScaledLinear(3, 4, Parameterization{kind, 1, 0.1})->parameters().size(), 2u);
  }
}

// leaf -> Mul by a number -> Convolution, or -> T -> Mm, Addmm: what reads a layer's weights out
// of the graph relies on it.
TEST(NtkLayers, ScaleIsOneProductInTheGraph) {
  const auto chain = [](const at::Tensor& y, std::vector<uint32_t> inputs) {
    std::string names = y.grad_fn()->name();
    auto node = y.grad_fn();
    for (const auto input : inputs) {
      node = node->next_edge(input).function;
      names = node->name() + " " + names;
    }
    return names;
  };
  const Parameterization plain{Kind::kNtk}, biased{Kind::kNtk, 1, 0.5};
  const auto x = at::rand({2, 3, 4, 4}), z = at::rand({2, 3});
  const std::string leaf = "torch::autograd::AccumulateGrad MulBackward1 ";
  for (const auto padding : {Padding::kHalf, Padding::kSame}) {
    ScaledConv2d conv(ConvShape{3, 4, 3, 2, padding}, biased);
    EXPECT_EQ(chain(conv->forward(x), {1, 0}), leaf + "ConvolutionBackward0");
    EXPECT_EQ(chain(conv->forward(x), {2, 0}), leaf + "ConvolutionBackward0");
  }
  EXPECT_EQ(chain(ScaledLinear(3, 4, plain)->forward(z), {1, 0, 0}),
            leaf + "TBackward0 MmBackward0");
  EXPECT_EQ(chain(ScaledLinear(3, 4, biased)->forward(z), {2, 0, 0}),
            leaf + "TBackward0 AddmmBackward0");
  EXPECT_EQ(chain(ScaledLinear(3, 4, biased)->forward(z), {0, 0}), leaf + "AddmmBackward0");
}

}  // namespace
}  // namespace unlazy
