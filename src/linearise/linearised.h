// The network's Taylor polynomial around theta0 in weight space, with d = theta - theta0:
//   order 1   f_lin(x; theta) = f(x; theta0) + J(x; theta0) d     (Lee et al. 2019)
//   order 2   f_lin + d^T H(x; theta0) d / 2, H the second derivatives of each output
// Every optimizer can train it. function_space.h trains order 1 without weights.
//
// Order 1: one pass with dual numbers gives both terms. Gradients are recorded for the tangents
// alone, since theta0 is constant. So a step costs 3 + 2 units, where a step of the network itself
// costs 3 (a unit is the multiply-adds of one forward pass), and f is computed once.
// Order 2: LibTorch's levels of forward differentiation do not nest. So d^T H d is the derivative
// along d of J d, by backward through backward. The gradient needs no third derivative:
// r^T H d is the gradient in theta of r^T J d.
#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "linearise/network.h"

namespace unlazy::linearise {

/// The Taylor polynomial of a network at a fixed theta0.
class Linearisation {
 public:
  /// Expands `network` at its present parameters and takes it over: its parameters get memory of
  /// their own, so that whatever shared memory with them can change, and for order 1 they become
  /// constants that require no gradients. The module and its buffers must outlive this and stay as
  /// they are. Put it into evaluation mode before. `start`: theta0 with more digits, where the
  /// network's parameters are rounded to bf16.
  explicit Linearisation(const Network& network, int64_t order = 1,
                         std::vector<at::Tensor> start = {});

  /// inputs [N, ...] -> the polynomial, [N, K]. `theta` has one tensor for each of
  /// network().parameters(), in its shape. It can be differentiated once in theta. The outputs are
  /// in the dtype of theta, which may be wider than that of the network.
  at::Tensor outputs(const at::Tensor& inputs, const std::vector<at::Tensor>& theta) const;

  /// J v [N, K] in the dtype of `v`, which has the shapes of theta. No gradients are recorded.
  at::Tensor derivative(const at::Tensor& inputs, const std::vector<at::Tensor>& v) const;

  const Network& network() const { return network_; }
  int64_t order() const { return order_; }
  /// theta0, one tensor for each of network().parameters().
  const std::vector<at::Tensor>& start() const { return start_; }

 private:
  Network network_;
  int64_t order_;
  std::vector<at::Tensor> start_;
};

/// A module whose parameters and buffers have the names of another's, in a tree of modules that do
/// nothing: parameters are copies, buffers are the same tensors. A parameter that the other module
/// has in several places is one here, too. When it is converted to another dtype, whole numbers
/// (BatchNorm's counter) stay what they are.
class ParameterTree : public torch::nn::Module {
 public:
  ParameterTree() = default;
  explicit ParameterTree(const torch::nn::Module& like);
  /// The parameters of these names.
  std::vector<at::Tensor> parameters_of(const std::vector<std::string>& names) const;

  void to(torch::Device device, torch::Dtype dtype, bool non_blocking = false) override;
  void to(torch::Dtype dtype, bool non_blocking = false) override;
  void to(torch::Device device, bool non_blocking = false) override;
};

class LinearisedModule : public ParameterTree {
 public:
  /// Takes `network` over as Linearisation does. The parameters of this module start at theta0 and
  /// have the names of the network's own.
  explicit LinearisedModule(const Network& network, int64_t order = 1);

  /// inputs [N, ...] -> the polynomial [N, K]; can be differentiated once in this module's
  /// parameters.
  at::Tensor forward(const at::Tensor& inputs);

  const Linearisation& linearisation() const { return linearisation_; }

 private:
  Linearisation linearisation_;
  std::vector<at::Tensor> theta_;
};

}  // namespace unlazy::linearise
