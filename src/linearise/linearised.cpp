#include "linearise/linearised.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <map>
#include <string>
#include <utility>

#include "core/error.h"
#include "models/norm.h"

namespace unlazy::linearise {
namespace {

at::Tensor sum_of(const Jvp& dual, c10::ScalarType dtype) {
  const auto value = dual.value.to(dtype);
  return dual.tangent.defined() ? value + dual.tangent.to(dtype) : value;
}

// The derivative along `directions` of dual.tangent, as a function of the parameters: [N, K].
at::Tensor along(const at::Tensor& tangent, const std::vector<at::Tensor>& parameters,
                 const std::vector<at::Tensor>& directions) {
  const auto u = at::zeros_like(tangent).requires_grad_();
  const auto pulled = torch::autograd::grad({tangent}, parameters, {u}, /*retain_graph=*/true,
                                            /*create_graph=*/true, /*allow_unused=*/true);
  at::Tensor sum = at::zeros({}, u.options());
  for (size_t i = 0; i < pulled.size(); ++i) {
    if (pulled[i].defined())
      sum = sum + (pulled[i] * directions[i].to(pulled[i].scalar_type())).sum().to(sum.dtype());
  }
  if (!sum.requires_grad()) return at::zeros_like(tangent);
  const auto result =
      torch::autograd::grad({sum}, {u}, {}, /*retain_graph=*/true, /*create_graph=*/false,
                            /*allow_unused=*/true)[0];
  return result.defined() ? result : at::zeros_like(tangent);
}

// The graph of one forward pass, carried to its backward pass.
struct Graph : torch::CustomClassHolder {
  Graph(std::vector<at::Tensor> p, at::Tensor r) : parameters(std::move(p)), root(std::move(r)) {}
  std::vector<at::Tensor> parameters;
  at::Tensor root;  // f + J d
};

// d -> f + J d + d^T H d / 2, where d has one tensor a parameter; backward: J^T r + (r^T H) d.
class SecondOrder : public torch::autograd::Function<SecondOrder> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const Network& network,
                            const at::Tensor& inputs, at::TensorList d) {
    const auto dtype = d[0].scalar_type();
    const models::PlainOperators plain(models::PlainOperators::Derivatives::kAll);
    const at::AutoGradMode with_grad(true);
    std::vector<at::Tensor> constant;
    for (const auto& part : d) constant.push_back(part.detach());
    const auto dual = dual_outputs(network, inputs, constant);
    const auto root = sum_of(dual, dtype);
    context->saved_data["graph"] =
        c10::IValue::make_capsule(c10::make_intrusive<Graph>(network.parameters(), root));
    const auto first = root.detach();
    if (!dual.tangent.defined() || !dual.tangent.requires_grad()) return first;
    return first + along(dual.tangent, network.parameters(), constant).to(dtype) * 0.5;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto graph =
        c10::static_intrusive_pointer_cast<Graph>(context->saved_data["graph"].toCapsule());
    torch::autograd::variable_list result(2);  // of the network and the inputs: none
    auto parts = torch::autograd::grad({graph->root}, graph->parameters, {gradients[0]},
                                       /*retain_graph=*/false, /*create_graph=*/false,
                                       /*allow_unused=*/true);
    for (auto& part : parts)
      result.push_back(part.defined() ? part.to(gradients[0].scalar_type()) : part);
    return result;
  }
};

// The node of `tree` that has the leaf of the dotted `name`, made where it is missing; `name`
// becomes that of the leaf.
torch::nn::Module& node_of(torch::nn::Module& tree, std::string& name) {
  const auto dot = name.find('.');
  if (dot == std::string::npos) return tree;
  const auto child = name.substr(0, dot);
  name = name.substr(dot + 1);
  const auto children = tree.named_children();
  if (!children.contains(child))
    return node_of(*tree.register_module(child, std::make_shared<ParameterTree>()), name);
  return node_of(*children[child], name);
}

}  // namespace

Linearisation::Linearisation(const Network& network, int64_t order, std::vector<at::Tensor> start)
    : network_(network), order_(order), start_(std::move(start)) {
  UNLAZY_CHECK_USAGE(order == 1 || order == 2, "linearise: the order of the polynomial is 1 or 2, ",
                     "got ", order);
  const at::NoGradGuard no_grad;
  const bool has_digits = !start_.empty();
  for (const auto& parameter : network.parameters()) {
    // A clone keeps channels_last strides, which the fast convolutions want. LibTorch wants a
    // tangent in memory like that of its parameter, which a part of a flat buffer is not.
    const auto values = parameter.detach().clone();
    parameter.set_data(values);
    if (order == 1) parameter.set_requires_grad(false);
    if (!has_digits) start_.push_back(values);
  }
}

at::Tensor Linearisation::outputs(const at::Tensor& inputs,
                                  const std::vector<at::Tensor>& theta) const {
  UNLAZY_CHECK(theta.size() == start_.size(), "linearise: wanted ", start_.size(),
               " parameters, got ", theta.size());
  std::vector<at::Tensor> moved;
  for (size_t i = 0; i < theta.size(); ++i) moved.push_back(theta[i] - start_[i]);
  if (order_ == 2) return SecondOrder::apply(network_, inputs, at::TensorList(moved));
  return sum_of(dual_outputs(network_, inputs, moved), theta[0].scalar_type());
}

at::Tensor Linearisation::derivative(const at::Tensor& inputs,
                                     const std::vector<at::Tensor>& v) const {
  const at::NoGradGuard no_grad;
  const auto dual = dual_outputs(network_, inputs, v);
  const auto dtype = v[0].scalar_type();
  return dual.tangent.defined() ? dual.tangent.to(dtype)
                                : at::zeros_like(dual.value, at::TensorOptions(dtype));
}

ParameterTree::ParameterTree(const torch::nn::Module& like) {
  std::map<const c10::TensorImpl*, at::Tensor> copies;
  for (const auto& item : like.named_parameters()) {
    const auto& parameter = item.value();
    auto& copy = copies[parameter.unsafeGetTensorImpl()];
    if (!copy.defined()) copy = parameter.detach().clone();
    auto name = item.key();
    auto& node = node_of(*this, name);
    copy = node.register_parameter(name, copy, parameter.requires_grad());
  }
  for (const auto& item : like.named_buffers()) {
    auto name = item.key();
    auto& node = node_of(*this, name);
    node.register_buffer(name, item.value());
  }
}

void ParameterTree::to(torch::Device device, torch::Dtype dtype, bool non_blocking) {
  to(device, non_blocking);
  to(dtype, non_blocking);
}
void ParameterTree::to(torch::Device device, bool non_blocking) {
  Module::to(device, non_blocking);
}
void ParameterTree::to(torch::Dtype dtype, bool non_blocking) {
  auto own = parameters(/*recurse=*/false);
  for (const auto& buffer : buffers(/*recurse=*/false)) own.push_back(buffer);
  for (const auto& tensor : own) {
    if (tensor.is_floating_point()) tensor.set_data(tensor.detach().to(dtype, non_blocking));
  }
  for (const auto& child : children()) child->to(dtype, non_blocking);
}

std::vector<at::Tensor> ParameterTree::parameters_of(const std::vector<std::string>& names) const {
  const auto all = named_parameters();
  std::vector<at::Tensor> list;
  for (const auto& name : names) {
    const auto* found = all.find(name);
    UNLAZY_CHECK(found != nullptr, "linearise: there is no parameter ", name);
    list.push_back(*found);
  }
  return list;
}

LinearisedModule::LinearisedModule(const Network& network, int64_t order)
    : ParameterTree(network.module()), linearisation_(network, order) {
  theta_ = parameters_of(network.names());
}

at::Tensor LinearisedModule::forward(const at::Tensor& inputs) {
  return linearisation_.outputs(inputs, theta_);
}

}  // namespace unlazy::linearise
