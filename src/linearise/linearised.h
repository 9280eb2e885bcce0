// The linearised network, in weight space: the reference for function_space.h, and a module that
// every optimizer can train.
//   f_lin(x; theta) = f(x; theta0) + J(x; theta0) (theta - theta0)
// (Lee et al. 2019.) A step is one jvp and one vjp at theta0: no double backward.
#pragma once

#include <torch/nn/module.h>

#include <memory>

#include "linearise/network.h"

namespace unlazy::linearise {

class LinearisedModule : public torch::nn::Module {
 public:
  /// Linearises `network` where it is now. The parameters have the names and shapes of the
  /// network's own and start at theta0; the network itself may train on: the linearisation keeps a
  /// copy of theta0 and of the buffers. Evaluation mode of the network is up to the caller. The
  /// network must outlive this.
  explicit LinearisedModule(const Network& network);

  /// inputs [N, ...] -> f_lin [N, K], differentiable in this module's parameters (once).
  at::Tensor forward(const at::Tensor& inputs);

  const Point& start() const { return *start_; }

 private:
  Network network_;
  std::shared_ptr<const Point> start_;
};

}  // namespace unlazy::linearise
