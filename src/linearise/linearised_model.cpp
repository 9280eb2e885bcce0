#include "linearise/linearised_model.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_unpack_dual.h>
#include <ATen/ops/ones_like.h>
#include <torch/csrc/autograd/autograd.h>

#include "core/error.h"

namespace unlazy::linearise {
namespace {

Network evaluated(models::Model& model) {
  model.module().eval();
  return Network(model);
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// The last layer through which a derivative cannot pass: with a tangent on its parameters alone the
// network throws.
std::string last_failing_parameter(const Network& network, const at::Tensor& images) {
  const at::NoGradGuard no_grad;
  std::string last;
  for (size_t i = 0; i < network.parameters().size(); ++i) {
    try {
      const DualLevel level;
      level.set_tangent(network.parameters()[i], at::ones_like(network.parameters()[i]));
      network(images);
    } catch (const c10::Error&) {
      last = network.names()[i];
    }
  }
  return last;
}

}  // namespace

LinearisedModel::LinearisedModel(std::shared_ptr<models::Model> network,
                                 std::shared_ptr<models::Model> low, int64_t order,
                                 const at::Tensor& images)
    : network_(std::move(network)),
      low_network_(std::move(low)),
      theta_tree_(std::make_shared<ParameterTree>(network_->module())),
      full_(evaluated(*network_), order) {
  if (low_network_)
    low_ = std::make_unique<Linearisation>(evaluated(*low_network_), order, full_.start());
  theta_ = theta_tree_->parameters_of(names());
  try_derivatives(images);
}

void LinearisedModel::try_derivatives(const at::Tensor& images) const {
  try {
    const at::AutoGradMode with_grad(true);
    const auto sum = full_.outputs(images, theta_).sum();
    torch::autograd::grad({sum}, theta_, {}, /*retain_graph=*/false, /*create_graph=*/false,
                          /*allow_unused=*/true);
  } catch (const c10::Error& error) {
    const auto layer = last_failing_parameter(full_.network(), images);
    throw Error(
        internal::concat("linearise: LibTorch lacks a derivative that this network needs",
                         layer.empty() ? "" : ", in the layer of " + layer + " or right behind it",
                         ": ", first_line(error.what_without_backtrace())),
        Error::Kind::kMisuse);
  }
}

const Linearisation& LinearisedModel::used_for(const at::Tensor& images) const {
  return low_ && images.scalar_type() == c10::kBFloat16 ? *low_ : full_;
}

at::Tensor LinearisedModel::forward(const at::Tensor& images) {
  return used_for(images).outputs(images, theta_);
}

at::Tensor LinearisedModel::derivative(const at::Tensor& images,
                                       const std::vector<at::Tensor>& v) const {
  return used_for(images).derivative(images, v);
}

void LinearisedModel::begin_step(uint64_t seed, int64_t step) {
  network_->begin_step(seed, step);
  if (low_network_) low_network_->begin_step(seed, step);
}

}  // namespace unlazy::linearise
