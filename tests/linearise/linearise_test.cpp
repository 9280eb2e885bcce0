// First derivatives, the linearised module, the kernel and training in function space: identities
// and two independent ways, in fp64.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mv.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/randperm.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/nn/modules/linear.h>
#include <torch/utils.h>

#include <limits>

#include "core/error.h"
#include "linearise/function_space.h"
#include "linearise/kernel.h"
#include "linearise/layers.h"
#include "linearise/linearised.h"
#include "linearise/network.h"
#include "linearise/predict.h"
#include "models/model.h"
#include "networks.h"
#include "optim/flat_parameters.h"
#include "optim/optimizer.h"
#include "support/expect_error.h"

namespace unlazy::linearise {
namespace {

using unlazy::testing::expect_error;

const auto kDouble = at::TensorOptions().dtype(c10::kDouble);

double relative(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / b.norm()).item<double>();
}

class Linearise : public ::testing::Test {
 protected:
  Linearise() { at::manual_seed(3); }
  MixedNetwork module_;
  Network network_{module_};
  at::Tensor x_ = at::randn({6, 2, 7, 7}, kDouble), x_test_ = at::randn({4, 2, 7, 7}, kDouble);
};

TEST_F(Linearise, JvpIsTheSlopeOfTheOutputs) {
  const auto v = at::randn({network_.num_parameters()}, kDouble);
  const auto result = jvp(network_, x_, v);
  const at::NoGradGuard no_grad;
  const auto theta = network_.values();
  const double h = 1e-5;
  network_.set_values(theta + v * h);
  const auto above = network_(x_);
  network_.set_values(theta - v * h);
  const auto below = network_(x_);
  network_.set_values(theta);
  EXPECT_LT(relative(result.tangent, (above - below) / (2 * h)), 1e-8);
  EXPECT_TRUE(at::equal(result.value, network_(x_)));
}

TEST_F(Linearise, JvpVjpAndJacobianAgree) {
  const auto v = at::randn({network_.num_parameters()}, kDouble);
  const auto c = at::randn({6, 3}, kDouble);
  const auto j = jacobian(network_, x_);
  EXPECT_LT(relative(jvp(network_, x_, v).tangent.reshape({-1}), at::mv(j, v)), 1e-13);
  EXPECT_LT(relative(vjp(network_, x_, c).gradient, at::mv(j.t(), c.reshape({-1}))), 1e-13);
  EXPECT_TRUE(at::equal(jacobian(network_, x_, 4, 9), j.narrow(0, 4, 5)));
}

TEST_F(Linearise, DerivativesLeaveTheModuleAsItWas) {
  const auto before = network_.values();
  jvp(network_, x_, before);
  vjp(network_, x_, at::randn({6, 3}, kDouble));
  kernel(network_, x_);
  EXPECT_TRUE(at::equal(network_.values(), before));
  for (const auto& parameter : module_.parameters()) EXPECT_FALSE(parameter.grad().defined());
}

TEST_F(Linearise, TheModuleStartsAtTheNetworkAndTakesItOver) {
  const auto flat = network_.values();
  const auto parts = network_.split(flat);
  for (size_t i = 0; i < parts.size(); ++i) network_.parameters()[i].set_data(parts[i]);
  const auto expected = network_(x_).detach();
  LinearisedModule linear(network_);
  EXPECT_TRUE(at::equal(linear.forward(x_), expected));
  flat.mul_(1.1);  // the memory that the parameters had before
  EXPECT_TRUE(at::equal(linear.forward(x_), expected));
  linear.forward(x_).sum().backward();
  for (const auto& parameter : module_.parameters()) {
    EXPECT_FALSE(parameter.requires_grad());
    EXPECT_FALSE(parameter.grad().defined());
  }
  EXPECT_EQ(linear.named_parameters().keys(), module_.named_parameters().keys());
  EXPECT_EQ(linear.named_buffers().keys(), module_.named_buffers().keys());
}

TEST_F(Linearise, WholeNumbersStayWholeInATree) {
  module_.norm->num_batches_tracked.set_data(at::zeros({}, c10::kLong));
  const auto tree = std::make_shared<ParameterTree>(module_);
  tree->to(c10::kFloat);
  EXPECT_EQ(tree->named_buffers()["norm.num_batches_tracked"].scalar_type(), c10::kLong);
  EXPECT_EQ(tree->named_parameters()["conv1.weight"].scalar_type(), c10::kFloat);
}

// f + J d + d H d / 2 by central differences of f itself, and its gradient by differences of that.
TEST_F(Linearise, SecondOrderIsTheTaylorPolynomial) {
  const auto theta0 = network_.values();
  const auto d = at::randn_like(theta0) * 0.3;
  const auto f = [&](double t) {
    const at::NoGradGuard no_grad;
    network_.set_values(theta0 + d * t);
    return network_(x_);
  };
  const double h = 1e-3;
  const auto value = f(0), slope = (f(h) - f(-h)) / (2 * h);
  const auto curve = (f(h) - 2 * f(0) + f(-h)) / (h * h);
  f(0);
  LinearisedModule second(network_, 2);
  const Network as_network(second);
  as_network.set_values(theta0 + d);
  const auto got = second.forward(x_);
  EXPECT_LT(relative(got, value + slope + curve / 2), 1e-5);
  EXPECT_GT(relative(value + slope, got), 1e-3);  // the second order matters here

  const auto c = at::randn({6, 3}, kDouble), v = at::randn_like(theta0);
  const auto gradient = vjp(as_network, x_, c).gradient;
  const at::NoGradGuard no_grad;
  const auto along = [&](double t) {
    as_network.set_values(theta0 + d + v * t);
    return (second.forward(x_) * c).sum();
  };
  // Exact for a polynomial of order 2.
  EXPECT_NEAR(((along(1) - along(-1)) / (gradient.dot(v) * 2)).item<double>(), 1, 1e-9);
}

TEST_F(Linearise, OrderIsOneOrTwo) {
  unlazy::testing::expect_misuse([&] { LinearisedModule third(network_, 3); },
                                 "linearise: the order of the polynomial is 1 or 2, got 3");
}

TEST_F(Linearise, TheModuleIsAffine) {
  const auto j = jacobian(network_, x_);
  const auto f0 = network_(x_).detach();
  LinearisedModule linear(network_);
  const Network as_network(linear, [&](const at::Tensor& x) { return linear.forward(x); });
  const auto moved = at::randn({network_.num_parameters()}, kDouble);
  as_network.set_values(network_.values() + moved);
  EXPECT_LT(relative(linear.forward(x_), f0 + at::mv(j, moved).view({6, 3})), 1e-13);
  const auto c = at::randn({6, 3}, kDouble);
  EXPECT_LT(relative(vjp(as_network, x_, c).gradient, at::mv(j.t(), c.reshape({-1}))), 1e-13);
}

TEST(LineariseLinear, ALinearModelIsItsLinearisation) {
  at::manual_seed(1);
  torch::nn::Linear model(5, 2);
  model->to(torch::kDouble);
  torch::nn::Linear copy(5, 2);
  copy->to(torch::kDouble);
  const Network network(*model), taken(*copy);
  taken.set_values(network.values());
  LinearisedModule linear(taken);
  const auto x = at::randn({7, 5}, kDouble);
  const Network as_network(linear);
  const auto theta = at::randn({network.num_parameters()}, kDouble);
  network.set_values(theta);
  as_network.set_values(theta);
  EXPECT_LT(relative(linear.forward(x), network(x)), 1e-14);
}

TEST_F(Linearise, KernelIsTheJacobianTimesItself) {
  const auto j = jacobian(network_, x_), j_test = jacobian(network_, x_test_);
  const auto expected = at::mm(j, j.t());
  for (const bool is_generic : {false, true}) {
    const auto k = kernel(network_, x_, x_test_, {.is_generic = is_generic});
    EXPECT_LT(relative(k.train, expected), 1e-13) << is_generic;
    EXPECT_LT(relative(k.test, at::mm(j_test, j.t())), 1e-13) << is_generic;
    EXPECT_TRUE(at::equal(k.train, k.train.t()));
    EXPECT_LT(relative(k.train_outputs, network_(x_)), 1e-14);
    EXPECT_LT(relative(k.test_outputs, network_(x_test_)), 1e-14);
  }
  EXPECT_LT(relative(traced_kernel(network_, x_), trace_classes(expected, 3)), 1e-13);
  EXPECT_LT(relative(traced_kernel(network_, x_, {.is_generic = true}), trace_classes(expected, 3)),
            1e-13);
}

TEST_F(Linearise, ConstantEntriesHaveNoColumn) {
  const auto whole = jacobian(network_, x_);
  std::vector<at::Tensor> free, columns;
  for (const auto& parameter : network_.parameters()) {
    free.push_back(at::rand(parameter.sizes(), kDouble) > 0.5);
    columns.push_back(free.back().reshape({-1}));
  }
  free[1] = at::Tensor();  // all of it is free
  columns[1].fill_(true);
  network_.set_free(free);
  const auto j = whole * at::cat(columns);
  EXPECT_TRUE(at::equal(jacobian(network_, x_), j));
  const auto v = at::randn({network_.num_parameters()}, kDouble), c = at::randn({6, 3}, kDouble);
  EXPECT_LT(relative(jvp(network_, x_, v).tangent.reshape({-1}), at::mv(j, v)), 1e-13);
  EXPECT_LT(relative(vjp(network_, x_, c).gradient, at::mv(j.t(), c.reshape({-1}))), 1e-13);
  const auto expected = at::mm(j, j.t());
  for (const int64_t memory : {40'000, 1 << 30}) {  // in blocks and at once
    EXPECT_LT(relative(kernel(network_, x_, {}, {.memory = memory, .batch = 4}).train, expected),
              1e-13);
  }
  EXPECT_LT(relative(kernel(network_, x_, {}, {.is_generic = true}).train, expected), 1e-13);
  EXPECT_LT(relative(traced_kernel(network_, x_), trace_classes(expected, 3)), 1e-13);
}

// A module that is registered under two names.
class SharedNetwork : public torch::nn::Module {
 public:
  SharedNetwork() : shared(4, 4), head(4, 2) {
    register_module("first", shared.ptr());
    register_module("second", shared.ptr());
    register_module("head", head.ptr());
    to(torch::kDouble);
  }
  at::Tensor forward(const at::Tensor& x) {
    return head->forward(at::tanh(shared->forward(at::tanh(shared->forward(x)))));
  }
  torch::nn::Linear shared, head;
};

TEST(LineariseShared, AModuleRegisteredTwiceIsOneModule) {
  at::manual_seed(4);
  SharedNetwork module;
  const auto x = at::randn({5, 4}, kDouble);
  // The Jacobian by hand.
  const auto f = module.forward(x).reshape({-1});
  std::vector<at::Tensor> rows;
  for (int64_t i = 0; i < f.numel(); ++i) {
    std::vector<at::Tensor> row;
    for (const auto& part : torch::autograd::grad(
             {f[i]},
             {module.shared->weight, module.shared->bias, module.head->weight, module.head->bias},
             {}, /*retain_graph=*/true))
      row.push_back(part.reshape({-1}));
    rows.push_back(at::cat(row));
  }
  const auto j = at::stack(rows);
  Network network(module);
  EXPECT_EQ(network.num_parameters(), 30);
  EXPECT_EQ(network.names(),
            (std::vector<std::string>{"first.weight", "first.bias", "head.weight", "head.bias"}));
  const auto k = at::mm(j, j.t());
  EXPECT_LT(relative(kernel(network, x).train, k), 1e-13);
  EXPECT_LT(relative(kernel(network, x, {}, {.is_generic = true}).train, k), 1e-13);
  const auto v = at::randn({30}, kDouble);
  EXPECT_LT(relative(jvp(network, x, v).tangent.reshape({-1}), at::mv(j, v)), 1e-13);
  LinearisedModule linear(network);
  EXPECT_EQ(Network(linear).num_parameters(), 30);
  // Two leaves that look at the same numbers have half of the derivatives each.
  torch::nn::Linear other(4, 2);
  other->weight.set_data(module.head->weight.detach());
  module.register_module("other", other.ptr());
  expect_error([&] { Network{module}; },
               "parameters: head.weight and other.weight share memory but are two parameters; "
               "register one module twice instead");
}

TEST_F(Linearise, KernelDoesNotDependOnBlocks) {
  const auto whole = kernel(network_, x_, x_test_);
  // Enough for the kernel and a few rows only: pieces of one channel, one column at a time.
  for (const int64_t memory : {40'000, 80'000}) {
    const auto k = kernel(network_, x_, x_test_, {.memory = memory, .batch = 4});
    EXPECT_LT(relative(k.train, whole.train), 1e-13) << memory;
    EXPECT_LT(relative(k.test, whole.test), 1e-13) << memory;
  }
}

TEST_F(Linearise, KernelInSinglePrecisionSumsInDoubleWhenAsked) {
  const auto reference = kernel(network_, x_).train;
  module_.to(torch::kFloat);
  const auto x = x_.to(c10::kFloat);
  const auto in_float = kernel(network_, x),
             summed = kernel(network_, x, {}, {.is_exact_sum = true});
  EXPECT_EQ(in_float.train.scalar_type(), c10::kFloat);
  EXPECT_EQ(summed.train.scalar_type(), c10::kDouble);
  EXPECT_LT(relative(in_float.train.to(c10::kDouble), reference), 1e-5);
  EXPECT_LT(relative(summed.train, reference), 1e-5);
}

// The fast path serves every parameter of the project's networks: 10 passes, not 640.
TEST(LineariseModels, LayersAreKnown) {
  for (const std::string name : {"ntk-wrn", "resnet20", "mlp", "wrn"}) {
    models::ModelOptions options;
    options.name = name;
    const auto model = models::make_model(options, {3, 8, 8, 4}, 0);
    model->module().to(torch::kDouble);
    model->module().eval();
    const Network network(*model);
    const auto x = at::randn({3, 3, 8, 8}, kDouble);
    const auto outputs = network(x);
    EXPECT_EQ(find_layers(outputs, network.parameters()).others.size(), 0u) << name;
    if (name == "mlp") continue;  // its 3 million weights take long by rows
    EXPECT_LT(
        relative(kernel(network, x).train, kernel(network, x, {}, {.is_generic = true}).train),
        1e-12)
        << name;
  }
}

TEST_F(Linearise, UnknownParametersAreFewOfTheMixedNetwork) {
  const auto outputs = network_(x_);
  const auto layers = find_layers(outputs, network_.parameters());
  std::vector<std::string> names;
  for (const auto& item : module_.named_parameters()) names.push_back(item.key());
  std::vector<std::string> others;
  for (const auto i : layers.others) others.push_back(names[i]);
  EXPECT_EQ(others, (std::vector<std::string>{"gain", "shared.weight", "shared.bias"}));
}

TEST_F(Linearise, KernelErrors) {
  module_.train();
  expect_error([&] { kernel(network_, x_); },
               "ntk: the module is in training mode and has buffers that each pass changes; call "
               "eval() first");
  module_.eval();
  expect_error(
      [&] { kernel(network_, x_, {}, {.memory = 1000}); },
      "ntk: 6 samples with 3 outputs need 1 MB at least, the cap is 0 MB; raise the cap or "
      "take fewer samples");
  expect_error([&] { kernel(network_, x_ * std::numeric_limits<double>::infinity()); },
               "ntk: the network's outputs are not finite; the inputs or the parameters are not");
  const auto head = module_.head->weight.detach();
  head.mul_(1e200);
  expect_error([&] { kernel(network_, x_); },
               "ntk: the kernel has entries that are not finite; the parameters or the inputs are "
               "too large");
  head.mul_(1e-200);
  expect_error(
      [&] {
        spectrum(at::rand({3, 4}));
      },
      "ntk: wanted a square kernel, got shape [3, 4]");
  expect_error(
      [&] {
        max_learning_rate(at::rand({4, 4}) + at::rand({4, 4}).tril() * 9);
      },
      "ntk: the kernel is not symmetric; only the training kernel has a spectrum");
  expect_error(
      [&] {
        spectrum(at::zeros({2, 2}) / 0.0);
      },
      "ntk: the kernel has entries that are not finite");
  expect_error([&] { jvp(network_, x_, at::zeros({3}, kDouble)); },
               "linearise: wanted a vector of the network's " +
                   std::to_string(network_.num_parameters()) + " parameters, got shape [3]");
}

// Subtracts the mean over the batch: samples interact.
class CenteredNetwork : public torch::nn::Module {
 public:
  CenteredNetwork() : linear(register_module("linear", torch::nn::Linear(4, 2))) {
    to(torch::kDouble);
  }
  at::Tensor forward(const at::Tensor& x) {
    const auto h = at::tanh(linear->forward(x));
    return h - h.mean(0, true) * 0.5;
  }
  torch::nn::Linear linear{nullptr};
};

TEST(LineariseInteracting, SamplesAreRefusedOrTakenWhole) {
  at::manual_seed(2);
  CenteredNetwork module;
  const Network network(module);
  const auto x = at::randn({5, 4}, kDouble);
  expect_error([&] { kernel(network, x); },
               "ntk: the outputs of one sample depend on the other samples of its batch; use the "
               "generic kernel");
  expect_error([&] { traced_kernel(network, x); },
               "ntk: the outputs of one sample depend on the other samples of its batch; use the "
               "generic kernel");
  const auto j = jacobian(network, x), k = at::mm(j, j.t());
  EXPECT_LT(relative(kernel(network, x, {}, {.is_generic = true}).train, k), 1e-13);
  EXPECT_LT(relative(traced_kernel(network, x, {.is_generic = true}), trace_classes(k, 2)), 1e-13);
}

// Adds to each sample the one before it: the first does not depend on the others.
class ChainedNetwork : public torch::nn::Module {
 public:
  ChainedNetwork() : linear(register_module("linear", torch::nn::Linear(4, 2))) {
    to(torch::kDouble);
  }
  at::Tensor forward(const at::Tensor& x) {
    const auto h = at::tanh(linear->forward(x));
    return h + at::cat({at::zeros_like(h.narrow(0, 0, 1)), h.narrow(0, 0, h.size(0) - 1)});
  }
  torch::nn::Linear linear{nullptr};
};

TEST(LineariseInteracting, ItIsFoundInLaterSamplesToo) {
  at::manual_seed(2);
  ChainedNetwork module;
  const Network network(module);
  const auto x = at::randn({5, 4}, kDouble);
  for (const bool is_traced : {false, true}) {
    try {
      is_traced ? traced_kernel(network, x) : kernel(network, x).train;
      ADD_FAILURE() << "no error, traced: " << is_traced;
    } catch (const Error& error) {
      const std::string text = error.what();
      EXPECT_TRUE(
          text.starts_with("ntk: the layers' kernel does not agree with a plain backward "
                           "pass (r^T K r = "))
          << text;
    }
  }
}

// Biases that a linear layer spreads over its channels or samples.
class SpreadBiases : public torch::nn::Module {
 public:
  SpreadBiases() {
    first = register_parameter("first", at::randn({5, 4}));
    one = register_parameter("one", at::randn({1}));
    second = register_parameter("second", at::randn({3, 5}));
    row = register_parameter("row", at::randn({1, 3}));
    to(torch::kDouble);
  }
  at::Tensor forward(const at::Tensor& x) {
    return at::addmm(row, at::tanh(at::addmm(one, x, first.t())), second.t());
  }
  at::Tensor first, one, second, row;
};

TEST(LineariseBias, ABiasThatIsSpreadIsNotReadAsOneAChannel) {
  at::manual_seed(6);
  SpreadBiases module;
  const Network network(module);
  const auto x = at::randn({6, 4}, kDouble);
  const auto j = jacobian(network, x), expected = at::mm(j, j.t());
  EXPECT_LT(relative(kernel(network, x).train, expected), 1e-13);
  EXPECT_LT(relative(traced_kernel(network, x), trace_classes(expected, 3)), 1e-13);
}

TEST(LineariseSpectrum, LargestLearningRateIsTheEdge) {
  at::manual_seed(5);
  const auto a = at::randn({6, 6}, kDouble);
  const auto k = at::mm(a, a.t());
  const auto [values, vectors] = spectrum(k);
  EXPECT_LT(relative(at::mm(vectors * values, vectors.t()), k), 1e-13);
  // For the top eigenvector f - y, a step at the edge only changes the sign.
  const double lr = max_learning_rate(k);
  const auto error = vectors.select(1, 5);
  EXPECT_LT(relative(error - at::mv(k, error) * (lr / 6), -error), 1e-12);
  EXPECT_DOUBLE_EQ(max_learning_rate(k, 0.5), 1.5 * lr);
  EXPECT_DOUBLE_EQ(max_learning_rate(k, 0.5, /*is_nesterov=*/true), 0.75 * lr);
  EXPECT_NEAR(kernel_alignment(k, k * 3), 1, 1e-14);
  EXPECT_NEAR(kernel_distance(k * 3, k), 2, 1e-14);
}

// ---- function space ----

// One output of one sample, f - y = 1 at the start, on either side of the edge.
TEST(FunctionSpaceStability, LargestLearningRateIsTheEdgeWithMomentumToo) {
  const Kernel k{at::full({1, 1}, 3, kDouble), {}, at::ones({1, 1}, kDouble), {}};
  for (const bool is_nesterov : {false, true}) {
    for (const double momentum : {0.0, 0.5, 0.9}) {
      SCOPED_TRACE(std::to_string(momentum) + (is_nesterov ? " Nesterov" : ""));
      const double edge = max_learning_rate(k.train, momentum, is_nesterov);
      for (const double part : {0.99, 1.01}) {
        FunctionSpace space(k);
        for (int i = 0; i < 500; ++i)
          space.step({.lr = part * edge, .momentum = momentum, .is_nesterov = is_nesterov},
                     [](const at::Tensor& f) { return f; });
        const double left = space.train_outputs().abs().item<double>();
        EXPECT_TRUE(part < 1 ? left < 1e-3 : left > 1e3) << part << ": " << left;
      }
    }
  }
}

struct Setting {
  const char* name;
  FunctionStep step;
  bool is_minibatch;
  bool is_cross_entropy;
};
void PrintTo(const Setting& setting, std::ostream* out) { *out << setting.name; }

class FunctionSpaceMatchesWeightSpace : public ::testing::TestWithParam<Setting> {};

// 100 steps of the linearised module under the project's own optimizers, labels drawn anew at each
// step, against the same in function space.
TEST_P(FunctionSpaceMatchesWeightSpace, For100Steps) {
  const auto& setting = GetParam();
  at::manual_seed(7);
  MixedNetwork module;
  const Network network(module);
  at::manual_seed(7);
  MixedNetwork taken_over;
  const auto x = at::randn({12, 2, 7, 7}, kDouble), x_test = at::randn({5, 2, 7, 7}, kDouble);
  const auto k = kernel(network, x, x_test);
  FunctionSpace space(k);
  const auto theta0 = network.values();
  space.set_images_of_start(jvp(network, x, theta0).tangent, jvp(network, x_test, theta0).tangent);

  LinearisedModule linear{Network(taken_over)};
  optim::FlatParameters parameters(linear, c10::kCPU, c10::kDouble);
  optim::OptimizerOptions options;
  options.name = setting.step.rho > 0 ? "sam" : "sgd";
  options.momentum = setting.step.momentum;
  options.nesterov = setting.step.is_nesterov;
  options.weight_decay = setting.step.weight_decay;
  if (setting.step.rho > 0) options.sharpness.rho = setting.step.rho;
  const auto optimizer = optim::make_optimizer(options, parameters);
  auto step = setting.step;
  step.lr = 0.5 * max_learning_rate(k.train, 0) / 3;

  for (int i = 0; i < 100; ++i) {
    const auto batch = setting.is_minibatch ? at::randperm(12, at::kLong).narrow(0, 0, 5)
                                            : at::arange(12, at::kLong);
    const auto y =
        at::one_hot(at::randint(3, {batch.size(0)}, at::kLong), 3).to(c10::kDouble);  // all noise
    const auto count = static_cast<double>(batch.size(0));
    const auto gradient = [&](const at::Tensor& f) {
      return setting.is_cross_entropy ? (at::softmax(f, 1) - y) / count : (f - y) / (count * 3);
    };
    const auto loss = [&](const at::Tensor& f) {
      return setting.is_cross_entropy ? (f.logsumexp(1) - (f * y).sum(1)).mean()
                                      : (f - y).square().mean() / 2;
    };
    space.step(step, gradient, setting.is_minibatch ? batch : at::Tensor());
    optimizer->step(
        [&](bool, const Span&) {
          parameters.clear_gradients();
          loss(linear.forward(x.index_select(0, batch))).backward();
          parameters.collect_gradients(true);
        },
        {at::full({}, step.lr, kDouble), at::full({}, step.rho, kDouble), step.rho > 0,
         batch.size(0)});
  }
  const at::NoGradGuard no_grad;
  const auto f = linear.forward(x);
  EXPECT_GT(relative(f, k.train_outputs), 0.05);  // it went somewhere
  EXPECT_LT(relative(space.train_outputs(), f), 1e-9);
  EXPECT_LT(relative(space.test_outputs(), linear.forward(x_test)), 1e-9);
  const auto moved = Network(linear).values() - theta0;
  EXPECT_LT(relative(space.displacement(network, x), moved), 1e-9);
  if (step.weight_decay == 0) {
    EXPECT_NEAR(space.distance().item<double>() / moved.norm().item<double>(), 1, 1e-9);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Settings, FunctionSpaceMatchesWeightSpace,
    ::testing::Values(Setting{"Descent", {}, false, false}, Setting{"Minibatch", {}, true, false},
                      Setting{"Momentum", {.momentum = 0.9}, true, false},
                      Setting{"Nesterov", {.momentum = 0.8, .is_nesterov = true}, true, true},
                      Setting{"Sam", {.rho = 0.3}, false, false},
                      Setting{"SamMinibatchMomentumDecay",
                              {.momentum = 0.9, .weight_decay = 0.01, .rho = 0.2},
                              true,
                              true},
                      Setting{"WeightDecay", {.weight_decay = 0.05}, true, false}),
    [](const auto& setting) { return setting.param.name; });

TEST_F(Linearise, ClosedFormsAgreeWithStepsAndWithTheOde) {
  const auto y = at::randn({6, 3}, kDouble);
  const auto k = kernel(network_, x_, x_test_);
  const auto gradient = [&](const at::Tensor& f) { return (f - y) / 18; };
  const double lr = 0.7 * max_learning_rate(k.train);
  const MsePrediction prediction(k.train, k.train_outputs, y);

  FunctionSpace stepped(k), predicted(k);
  for (int i = 0; i < 50; ++i) stepped.step({.lr = lr}, gradient);
  predicted.set_state(prediction.descent(lr, 50), at::zeros({}, kDouble));
  EXPECT_LT(relative(predicted.train_outputs(), stepped.train_outputs()), 1e-11);
  EXPECT_LT(relative(predicted.test_outputs(), stepped.test_outputs()), 1e-11);

  stepped.set_state(integrate_flow(k, gradient, lr, 50, 1e-10), at::zeros({}, kDouble));
  predicted.set_state(prediction.flow(lr, 50), at::zeros({}, kDouble));
  EXPECT_LT(relative(stepped.train_outputs(), predicted.train_outputs()), 1e-8);
  EXPECT_LT(relative(stepped.test_outputs(), predicted.test_outputs()), 1e-8);

  predicted.set_state(prediction.flow(lr, std::numeric_limits<double>::infinity()),
                      at::zeros({}, kDouble));
  EXPECT_LT(relative(predicted.train_outputs(), y), 1e-8);  // the kernel has full rank
}

// The flow of cross entropy against many small steps of descent, extrapolated to step 0.
TEST_F(Linearise, OdeOfCrossEntropyIsTheLimitOfSmallSteps) {
  const auto labels = at::one_hot(at::arange(6, at::kLong).remainder(3), 3).to(c10::kDouble);
  const auto gradient = [&](const at::Tensor& f) { return (at::softmax(f, 1) - labels) / 6; };
  const auto k = kernel(network_, x_);
  const auto outputs_after = [&](int64_t steps) {
    FunctionSpace space(k);
    for (int64_t i = 0; i < steps; ++i)
      space.step({.lr = 4.0 / static_cast<double>(steps)}, gradient);
    return space.train_outputs();
  };
  const auto limit = outputs_after(4000) * 2 - outputs_after(2000);
  FunctionSpace space(k);
  space.set_state(integrate_flow(k, gradient, 1, 4), at::zeros({}, kDouble));
  EXPECT_LT(relative(space.train_outputs(), limit), 1e-5);
  EXPECT_GT(relative(space.train_outputs(), k.train_outputs), 0.1);
}

TEST(FunctionSpaceErrors, AreSaid) {
  const auto k = at::rand({6, 6}, kDouble);
  expect_error(
      [&] {
        FunctionSpace({k, {}, at::zeros({4, 2}, kDouble), {}});
      },
      "function space: wanted a kernel [N K, N K] for outputs [4, 2], got [6, 6]");
  FunctionSpace space({k, {}, at::zeros({3, 2}, kDouble), {}});
  expect_error([&] { space.test_outputs(); }, "function space: the kernel has no test inputs");
  expect_error(
      [&] { space.step({.lr = 1, .weight_decay = 1}, [](const at::Tensor& f) { return f; }); },
      "function space: weight decay needs set_images_of_start()");
}

}  // namespace
}  // namespace unlazy::linearise
