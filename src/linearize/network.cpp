#include "linearize/network.h"

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

namespace unlazy::linearize {
namespace {

// The tangents sit on the parameters only while this lives, also when the network throws.
class DualLevel {
 public:
  DualLevel() : level_(torch::autograd::forward_ad::enter_dual_level()) {}
  ~DualLevel() { torch::autograd::forward_ad::exit_dual_level(level_); }
  DualLevel(const DualLevel&) = delete;
  DualLevel& operator=(const DualLevel&) = delete;
  uint64_t number() const { return level_; }

 private:
  uint64_t level_;
};

at::Tensor checked_outputs(at::Tensor outputs, const at::Tensor& inputs) {
  UNLAZY_CHECK(outputs.dim() == 2 && outputs.size(0) == inputs.size(0),
               "linearize: the network must map [N, ...] to [N, K]; it mapped ", inputs.sizes(),
               " to ", outputs.sizes());
  return outputs;
}

}  // namespace

Network::Network(torch::nn::Module& module, Forward forward)
    : module_(module), forward_(std::move(forward)) {
  for (const auto& parameter : module.parameters()) {
    if (!parameter.requires_grad()) continue;
    parameters_.push_back(parameter);
    num_parameters_ += parameter.numel();
  }
  UNLAZY_CHECK(!parameters_.empty(),
               "linearize: the module has no parameters that require gradients");
}

at::Tensor Network::operator()(const at::Tensor& inputs) const {
  const models::PlainOperators plain(models::PlainOperators::Derivatives::kForward);
  return checked_outputs(forward_(inputs), inputs);
}

at::Tensor Network::flatten(const std::vector<at::Tensor>& parts) const {
  UNLAZY_CHECK(parts.size() == parameters_.size(), "linearize: wanted one tensor for each of the ",
               parameters_.size(), " parameters, got ", parts.size());
  std::vector<at::Tensor> rows;
  for (size_t i = 0; i < parts.size(); ++i)
    rows.push_back((parts[i].defined() ? parts[i] : at::zeros_like(parameters_[i])).reshape({-1}));
  return at::cat(rows);
}

std::vector<at::Tensor> Network::split(const at::Tensor& flat) const {
  UNLAZY_CHECK(flat.dim() == 1 && flat.size(0) == num_parameters_,
               "linearize: wanted a vector of the network's ", num_parameters_,
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
  const auto look_at = [&](const at::Tensor& tensor, const at::Tensor& values) {
    tensors_.push_back(tensor);
    before_.push_back(tensor.variable_data());
    tensors_.back().set_data(values);
  };
  const auto buffers = network.module().buffers();
  for (size_t i = 0; i < point.parameters_.size(); ++i)
    look_at(network.parameters()[i], point.parameters_[i]);
  for (size_t i = 0; i < buffers.size(); ++i) look_at(buffers[i], point.buffers_[i]);
}

AtPoint::~AtPoint() {
  for (size_t i = 0; i < tensors_.size(); ++i) tensors_[i].set_data(before_[i]);
}

Jvp jvp(const Network& network, const at::Tensor& inputs, const at::Tensor& tangent) {
  const at::NoGradGuard no_grad;
  const auto parts = network.split(tangent);
  const DualLevel level;
  for (size_t i = 0; i < parts.size(); ++i) {
    // Of the parameter's own strides, without sharing memory with `tangent`.
    auto part = at::zeros_like(network.parameters()[i]).copy_(parts[i]);
    network.parameters()[i]._set_fw_grad(part, level.number(), /*is_inplace_op=*/false);
  }
  const auto [value, derivative] = at::_unpack_dual(network(inputs), level.number());
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
                 "linearize: the cotangent must have the shape of "
                 "the outputs, ",
                 outputs.sizes(), ", got ", c.sizes());
    parts = torch::autograd::grad({outputs}, network.parameters(), {c}, /*retain_graph=*/false,
                                  /*create_graph=*/false, /*allow_unused=*/true);
  }
  const at::NoGradGuard no_grad;
  return {outputs.detach(), network.flatten(parts)};
}

Vjp vjp(const Network& network, const at::Tensor& inputs, const at::Tensor& cotangent) {
  return vjp(network, inputs, [&](const at::Tensor&) { return cotangent; });
}

at::Tensor jacobian(const Network& network, const at::Tensor& inputs, int64_t begin, int64_t end) {
  const at::AutoGradMode with_grad(true);
  const auto outputs = network(inputs).reshape({-1});
  UNLAZY_CHECK(0 <= begin && begin <= end && end <= outputs.numel(),
               "linearize: rows of the Jacobian are 0 to ", outputs.numel(), ", got ", begin,
               " to ", end);
  auto rows = at::empty({end - begin, network.num_parameters()}, outputs.options());
  for (int64_t row = begin; row < end; ++row) {
    const auto parts = torch::autograd::grad({outputs[row]}, network.parameters(), {},
                                             /*retain_graph=*/true, /*create_graph=*/false,
                                             /*allow_unused=*/true);
    const at::NoGradGuard no_grad;
    rows[row - begin].copy_(network.flatten(parts));
  }
  return rows.detach();
}

at::Tensor jacobian(const Network& network, const at::Tensor& inputs) {
  const at::NoGradGuard no_grad;
  return jacobian(network, inputs, 0, network(inputs).numel());
}

at::Tensor hessian_vector(const Network& network, const at::Tensor& inputs,
                          const std::function<at::Tensor(const at::Tensor& outputs)>& loss,
                          const at::Tensor& v) {
  std::vector<at::Tensor> parts;
  const models::PlainOperators plain;
  {
    const at::AutoGradMode with_grad(true);
    const auto directions = network.split(v);
    const auto gradients =
        torch::autograd::grad({loss(network(inputs))}, network.parameters(), {},
                              /*retain_graph=*/true, /*create_graph=*/true, /*allow_unused=*/true);
    auto slope = at::zeros({}, v.options());
    for (size_t i = 0; i < gradients.size(); ++i) {
      if (gradients[i].defined()) slope = slope + (gradients[i] * directions[i]).sum();
    }
    // A loss that is linear in the parameters has no graph behind its gradient.
    if (!slope.requires_grad()) return at::zeros_like(v);
    parts = torch::autograd::grad({slope}, network.parameters(), {}, /*retain_graph=*/false,
                                  /*create_graph=*/false, /*allow_unused=*/true);
  }
  const at::NoGradGuard no_grad;
  return network.flatten(parts);
}

}  // namespace unlazy::linearize
