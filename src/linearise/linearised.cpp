#include "linearise/linearised.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <string>

namespace unlazy::linearise {
namespace {

// What the backward pass needs; carried by the graph as an opaque pointer.
struct Linearisation : torch::CustomClassHolder {
  Linearisation(Network n, std::shared_ptr<const Point> p)
      : network(std::move(n)), start(std::move(p)) {}
  Network network;
  std::shared_ptr<const Point> start;
};

// (inputs, theta [P]) -> f0 + J (theta - theta0); backward: J^T c for theta. The inputs are data.
class LinearisedFunction : public torch::autograd::Function<LinearisedFunction> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& inputs,
                            const at::Tensor& theta, const c10::intrusive_ptr<Linearisation>& at) {
    context->save_for_backward({inputs});
    context->saved_data["at"] = c10::IValue::make_capsule(at);
    const AtPoint there(at->network, *at->start);
    const auto [value, tangent] = jvp(at->network, inputs, theta - at->start->values());
    return value + tangent;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto at =
        c10::static_intrusive_pointer_cast<Linearisation>(context->saved_data["at"].toCapsule());
    const AtPoint there(at->network, *at->start);
    const auto result = vjp(at->network, context->get_saved_variables()[0], gradients[0]);
    return {at::Tensor(), result.gradient, at::Tensor()};
  }
};

}  // namespace

LinearisedModule::LinearisedModule(const Network& network)
    : torch::nn::Module("Linearised"),
      network_(network),
      start_(std::make_shared<const Point>(network)) {
  const auto parts = network.split(start_->values().clone());
  for (size_t i = 0; i < parts.size(); ++i) {
    // Module refuses dots in names, which its own tree gives them.
    auto name = network.names()[i];
    std::replace(name.begin(), name.end(), '.', '/');
    register_parameter(name, parts[i].clone());
  }
}

at::Tensor LinearisedModule::forward(const at::Tensor& inputs) {
  const auto at = c10::make_intrusive<Linearisation>(network_, start_);
  return LinearisedFunction::apply(inputs, network_.flatten(parameters()), at);
}

}  // namespace unlazy::linearise
