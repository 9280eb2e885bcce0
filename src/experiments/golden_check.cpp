#include "experiments/golden_check.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <torch/nn/module.h>

#include <charconv>
#include <functional>

#include "core/error.h"
#include "core/safetensors.h"
#include "linearise/function_space.h"
#include "linearise/kernel.h"
#include "linearise/linearised.h"
#include "linearise/predict.h"
#include "models/model.h"

namespace unlazy::experiments {
namespace {

using linearise::Network;

std::string shape_text(at::IntArrayRef shape) { return internal::concat(shape); }

// The file, with what is wrong said by name.
class Golden {
 public:
  explicit Golden(const std::string& path) : path_(path), file_(load_tensors(path)) {
    blocks = static_cast<int64_t>(number("n"));
    width_factor = static_cast<int64_t>(number("k"));
    steps = static_cast<int64_t>(number("steps"));
    lr = number("lr");
    const auto& x = tensor("x_train");
    const auto& y = tensor("y_train");
    UNLAZY_CHECK(x.dim() == 4 && y.dim() == 2 && x.size(0) == y.size(0), path_,
                 ": wanted x_train [N, C, H, W] and y_train [N, K], got ", x.sizes(), " and ",
                 y.sizes());
    num_train = x.size(0);
    num_outputs = y.size(1);
    num_test = tensor("x_test").size(0);
    input = {x.size(1), x.size(2), x.size(3), num_outputs};
  }

  at::Tensor tensor(const std::string& name, at::IntArrayRef shape) const {
    const auto& found = tensor(name);
    UNLAZY_CHECK(found.sizes() == shape, path_, ": ", name, " has shape ", found.sizes(),
                 ", expected ", shape);
    return found;
  }

  // w.00, w.01, ... into the parameters, in their order.
  void load_weights(const std::vector<at::Tensor>& parameters) const {
    const at::NoGradGuard no_grad;
    size_t count = 0;
    for (const auto& [name, value] : file_.tensors) count += name.starts_with("w.") ? 1 : 0;
    UNLAZY_CHECK(count == parameters.size(), path_, ": has ", count, " weights w.00, w.01, ...; ",
                 "a network of ", blocks, " blocks a group has ", parameters.size());
    for (size_t i = 0; i < parameters.size(); ++i) {
      const auto digits = std::to_string(i);
      const auto name = "w." + (digits.size() < 2 ? "0" + digits : digits);
      parameters[i].copy_(tensor(name, parameters[i].sizes()));
    }
  }

  int64_t blocks, width_factor, steps, num_train, num_test, num_outputs;
  double lr;
  models::InputShape input;

 private:
  const at::Tensor& tensor(const std::string& name) const {
    UNLAZY_CHECK(file_.contains(name), path_, ": has no tensor ", name,
                 "; write the file with tests/golden/make_neural_tangents_golden.py");
    return file_.at(name);
  }

  double number(const std::string& key) const {
    const auto found = file_.metadata.find(key);
    UNLAZY_CHECK(found != file_.metadata.end(), path_, ": its metadata has no \"", key,
                 "\"; write the file with tests/golden/make_neural_tangents_golden.py");
    double value = 0;
    const auto& text = found->second;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    UNLAZY_CHECK(result.ec == std::errc() && value > 0, path_, ": its metadata has ", key, " = \"",
                 text, "\", expected a positive number");
    return value;
  }

  std::string path_;
  TensorFile file_;
};

class Check {
 public:
  Check(const std::string& path, const Compute& compute)
      : golden_(path), compute_(compute), model_(make()), network_(*model_) {
    const int64_t n = golden_.num_train, m = golden_.num_test, k = golden_.num_outputs;
    golden_.load_weights(network_.parameters());
    x_ = here(golden_.tensor(
        "x_train", {n, golden_.input.channels, golden_.input.height, golden_.input.width}));
    x_test_ = here(golden_.tensor(
        "x_test", {m, golden_.input.channels, golden_.input.height, golden_.input.width}));
    y_ = here(golden_.tensor("y_train", {n, k}));
    kernel_ = linearise::kernel(network_, x_, x_test_);
  }

  std::vector<TensorError> run() {
    compare("f_train", kernel_.train_outputs);
    compare("f_test", kernel_.test_outputs);
    compare("ntk_train", kernel_.train);
    compare("ntk_test", kernel_.test);
    compare("ntk_traced", linearise::traced_kernel(network_, x_));
    compare("lr_max", at::tensor(linearise::max_learning_rate(kernel_.train), c10::kDouble));
    in_function_space();
    predictions();
    in_weight_space();
    descend();  // last: it moves the network
    return std::move(errors_);
  }

 private:
  std::shared_ptr<models::Model> make() const {
    models::ModelOptions options;
    options.name = "ntk-wrn";
    options.blocks = golden_.blocks;
    options.width_factor = golden_.width_factor;
    auto model = models::make_model(options, golden_.input, 0);
    model->module().to(compute_.device, compute_.dtype);
    model->module().eval();
    return model;
  }

  at::Tensor here(const at::Tensor& t) const { return t.to(compute_.device, compute_.dtype); }

  void compare(const std::string& name, const at::Tensor& ours, const std::string& way = "") {
    const auto got = ours.detach().cpu().to(c10::kDouble);
    const auto reference = golden_.tensor(name, got.sizes()).to(c10::kDouble);
    const auto off = got - reference;
    TensorError error{way.empty() ? name : name + " (" + way + ")", shape_text(got.sizes())};
    error.by_norm = (off.norm() / reference.norm()).item<double>();
    error.by_entry = (off.abs().max() / reference.abs().max()).item<double>();
    error.is_close = error.by_entry <= golden_tolerance(compute_.dtype);
    errors_.push_back(error);
  }

  double count() const { return static_cast<double>(y_.numel()); }
  at::Tensor loss(const at::Tensor& outputs) const {
    return (outputs.to(c10::kDouble) - y_.to(c10::kDouble)).square().mean() * 0.5;
  }
  // dloss/df of the mean over N K entries.
  at::Tensor slope(const at::Tensor& outputs) const {
    return (outputs - y_.to(outputs.scalar_type())) / count();
  }

  // Calls step() S times; the loss before each and at the end, [S + 1].
  at::Tensor losses(const std::function<at::Tensor()>& outputs, const std::function<void()>& step) {
    std::vector<at::Tensor> list = {loss(outputs())};
    for (int64_t i = 0; i < golden_.steps; ++i) {
      step();
      list.push_back(loss(outputs()));
    }
    return at::stack(list);
  }

  void in_function_space() {
    linearise::FunctionSpace space(kernel_);
    compare("lin_loss", losses([&] { return space.train_outputs(); },
                               [&] {
                                 space.step({.lr = golden_.lr},
                                            [&](const at::Tensor& f) { return slope(f); });
                               }));
    compare("lin_f_train", space.train_outputs());
    compare("lin_f_test", space.test_outputs());
  }

  void predictions() {
    const linearise::MsePrediction prediction(kernel_.train, kernel_.train_outputs, y_);
    linearise::FunctionSpace space(kernel_);
    const auto set = [&](const at::Tensor& alpha) {
      space.set_state(alpha, at::zeros({}, alpha.options()));
    };
    set(prediction.descent(golden_.lr, golden_.steps));
    compare("lin_f_train", space.train_outputs(), "closed form");
    compare("lin_f_test", space.test_outputs(), "closed form");
    set(prediction.flow(golden_.lr, static_cast<double>(golden_.steps)));
    compare("flow_f_train", space.train_outputs());
    compare("flow_f_test", space.test_outputs());
  }

  void in_weight_space() {
    const at::NoGradGuard no_grad;
    const auto model = make();  // it is taken over
    const Network network(*model);
    golden_.load_weights(network.parameters());
    linearise::LinearisedModule linear(network);
    const Network as_network(linear);
    compare("lin_loss", losses([&] { return linear.forward(x_); }, [&] { descend(as_network); }),
            "weight space");
    compare("lin_f_train", linear.forward(x_), "weight space");
    compare("lin_f_test", linear.forward(x_test_), "weight space");
  }

  void descend() {
    const at::NoGradGuard no_grad;
    compare("gd_loss", losses([&] { return network_(x_); }, [&] { descend(network_); }));
    compare("gd_f_train", network_(x_));
  }
  void descend(const Network& network) const {
    const auto result = linearise::vjp(network, x_, [&](const at::Tensor& f) { return slope(f); });
    network.set_values(network.values() - result.gradient * golden_.lr);
  }

  Golden golden_;
  Compute compute_;
  std::shared_ptr<models::Model> model_;
  Network network_;
  at::Tensor x_, x_test_, y_;
  linearise::Kernel kernel_;
  std::vector<TensorError> errors_;
};

}  // namespace

double golden_tolerance(c10::ScalarType dtype) { return dtype == c10::kDouble ? 1e-9 : 1e-4; }

std::vector<TensorError> check_golden(const std::string& path, const Compute& compute) {
  UNLAZY_CHECK_USAGE(compute.dtype != c10::kBFloat16,
                     "compare: reference values are checked in fp32 or fp64; give --precision");
  return Check(path, compute).run();
}

}  // namespace unlazy::experiments
