#include "linearise/network.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_unpack_dual.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/nn/module.h>

#include "core/error.h"
#include "models/norm.h"
#include "models/parameters.h"

namespace unlazy::linearise {
namespace {

at::Tensor checked_outputs(at::Tensor outputs, const at::Tensor& inputs) {
  UNLAZY_CHECK(outputs.dim() == 2 && outputs.size(0) == inputs.size(0),
               "linearise: the network must map [N, ...] to [N, K]; it mapped ", inputs.sizes(),
               " to ", outputs.sizes());
  return outputs;
}

// Zeros at the constants of `network` where parts are defined.
std::vector<at::Tensor> free_parts(const Network& network, std::vector<at::Tensor> parts) {
  for (size_t i = 0; i < network.free().size(); ++i) {
    if (parts[i].defined() && network.free()[i].defined()) parts[i] = parts[i] * network.free()[i];
  }
  return parts;
}

}  // namespace

Network::Network(torch::nn::Module& module, Forward forward)
    : module_(module), forward_(std::move(forward)) {
  for (const auto& [name, parameter] : models::distinct_parameters(module)) {
    if (!parameter.requires_grad()) continue;
    parameters_.push_back(parameter);
    names_.push_back(name);
    num_parameters_ += parameter.numel();
  }
  UNLAZY_CHECK(!parameters_.empty(),
               "linearise: the module has no parameters that require gradients");
}

void Network::set_free(std::vector<at::Tensor> free) {
  UNLAZY_CHECK(free.size() == parameters_.size(), "linearise: wanted one tensor for each of the ",
               parameters_.size(), " parameters, got ", free.size());
  for (size_t i = 0; i < free.size(); ++i) {
    UNLAZY_CHECK(!free[i].defined() || (free[i].sizes() == parameters_[i].sizes() &&
                                        free[i].scalar_type() == c10::kBool),
                 "linearise: wanted a Bool tensor of the shape of ", names_[i], ", ",
                 parameters_[i].sizes());
  }
  free_ = std::move(free);
}

at::Tensor Network::operator()(const at::Tensor& inputs) const {
  const models::PlainOperators plain(models::PlainOperators::Derivatives::kForward);
  return checked_outputs(forward_(inputs), inputs);
}

at::Tensor Network::flatten(const std::vector<at::Tensor>& parts) const {
  UNLAZY_CHECK(parts.size() == parameters_.size(), "linearise: wanted one tensor for each of the ",
               parameters_.size(), " parameters, got ", parts.size());
  std::vector<at::Tensor> rows;
  for (size_t i = 0; i < parts.size(); ++i)
    rows.push_back((parts[i].defined() ? parts[i] : at::zeros_like(parameters_[i])).reshape({-1}));
  return at::cat(rows);
}

std::vector<at::Tensor> Network::split(const at::Tensor& flat) const {
  UNLAZY_CHECK(flat.dim() == 1 && flat.size(0) == num_parameters_,
               "linearise: wanted a vector of the network's ", num_parameters_,
               " parameters, got shape ", flat.sizes());
  std::vector<at::Tensor> parts;
  int64_t offset = 0;
  for (const auto& parameter : parameters_) {
    parts.push_back(flat.narrow(0, offset, parameter.numel()).view(parameter.sizes()));
    offset += parameter.numel();
  }
  return parts;
}

at::Tensor Network::values() const {
  const at::NoGradGuard no_grad;
  return flatten(parameters_).detach();
}

void Network::set_values(const at::Tensor& flat) const {
  const at::NoGradGuard no_grad;
  const auto parts = split(flat);
  for (size_t i = 0; i < parts.size(); ++i) parameters_[i].copy_(parts[i]);
}

Point::Point(const Network& network) : values_(network.values()) {
  const at::NoGradGuard no_grad;
  // Clones keep channels_last strides, which the fast convolutions want.
  for (const auto& parameter : network.parameters())
    parameters_.push_back(parameter.detach().clone());
  for (const auto& buffer : network.module().buffers()) buffers_.push_back(buffer.clone());
}

AtPoint::AtPoint(const Network& network, const Point& point) {
  const auto buffers = network.module().buffers();
  for (size_t i = 0; i < point.parameters_.size(); ++i)
    memory_.look_at(network.parameters()[i], point.parameters_[i]);
  for (size_t i = 0; i < buffers.size(); ++i) memory_.look_at(buffers[i], point.buffers_[i]);
}

Jvp dual_outputs(const Network& network, const at::Tensor& inputs,
                 const std::vector<at::Tensor>& directions) {
  const DualLevel level;
  for (size_t i = 0; i < directions.size(); ++i) {
    const auto& parameter = network.parameters()[i];
    auto direction = directions[i].to(parameter.scalar_type());
    if (direction.strides() != parameter.strides())
      direction = at::zeros_like(parameter.detach()).copy_(direction);
    level.set_tangent(parameter, direction);
  }
  const auto [value, tangent] = at::_unpack_dual(network(inputs), level.number());
  return {value, tangent};
}

Jvp jvp(const Network& network, const at::Tensor& inputs, const at::Tensor& tangent) {
  const at::NoGradGuard no_grad;
  auto parts = free_parts(network, network.split(tangent));
  // LibTorch wants a tangent in memory of its own, not a part of a flat vector.
  for (size_t i = 0; i < parts.size(); ++i)
    parts[i] = at::zeros_like(network.parameters()[i]).copy_(parts[i]);
  const auto [value, derivative] = dual_outputs(network, inputs, parts);
  return {value.clone(), derivative.defined() ? derivative.clone() : at::zeros_like(value)};
}

Vjp vjp(const Network& network, const at::Tensor& inputs,
        const std::function<at::Tensor(const at::Tensor& outputs)>& cotangent) {
  at::Tensor outputs;
  std::vector<at::Tensor> parts;
  {
    const at::AutoGradMode with_grad(true);
    outputs = network(inputs);
    const auto c = cotangent(outputs.detach());
    UNLAZY_CHECK(c.sizes() == outputs.sizes(),
                 "linearise: the cotangent must have the shape of "
                 "the outputs, ",
                 outputs.sizes(), ", got ", c.sizes());
    parts = torch::autograd::grad({outputs}, network.parameters(), {c}, /*retain_graph=*/false,
                                  /*create_graph=*/false, /*allow_unused=*/true);
  }
  const at::NoGradGuard no_grad;
  return {outputs.detach(), network.flatten(free_parts(network, std::move(parts)))};
}

Vjp vjp(const Network& network, const at::Tensor& inputs, const at::Tensor& cotangent) {
  return vjp(network, inputs, [&](const at::Tensor&) { return cotangent; });
}

at::Tensor jacobian(const Network& network, const at::Tensor& inputs, int64_t begin, int64_t end) {
  const at::AutoGradMode with_grad(true);
  const auto outputs = network(inputs).reshape({-1});
  UNLAZY_CHECK(0 <= begin && begin <= end && end <= outputs.numel(),
               "linearise: rows of the Jacobian are 0 to ", outputs.numel(), ", got ", begin,
               " to ", end);
  auto rows = at::empty({end - begin, network.num_parameters()}, outputs.options());
  for (int64_t row = begin; row < end; ++row) {
    const auto parts = torch::autograd::grad({outputs[row]}, network.parameters(), {},
                                             /*retain_graph=*/true, /*create_graph=*/false,
                                             /*allow_unused=*/true);
    const at::NoGradGuard no_grad;
    rows[row - begin].copy_(network.flatten(free_parts(network, parts)));
  }
  return rows.detach();
}

at::Tensor jacobian(const Network& network, const at::Tensor& inputs) {
  const at::NoGradGuard no_grad;
  return jacobian(network, inputs, 0, network(inputs).numel());
}

}  // namespace unlazy::linearise
