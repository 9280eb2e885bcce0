// The linearised network in weight space (Lee et al. 2019): the reference for function_space.h, and
// a module that every optimizer can train.
//   f_lin(x; theta) = f(x; theta0) + J(x; theta0) (theta - theta0)
// A step is one jvp and one vjp at theta0; nothing is differentiated twice.
#pragma once

#include <torch/nn/module.h>

#include <memory>

#include "linearise/network.h"

namespace unlazy::linearise {

class LinearisedModule : public torch::nn::Module {
 public:
  /// Linearises `network` at its present parameters. This module's parameters start at theta0 and
  /// have the shapes and names of the network's own, except that "/" stands for "." in the names.
  /// The network may train on, since copies of theta0 and of its buffers are kept, but it must
  /// outlive this. Put it into evaluation mode before, if that is wanted.
  explicit LinearisedModule(const Network& network);

  /// inputs [N, ...] -> f_lin [N, K]; can be differentiated once in this module's parameters.
  at::Tensor forward(const at::Tensor& inputs);

  const Point& start() const { return *start_; }

 private:
  Network network_;
  std::shared_ptr<const Point> start_;
};

}  // namespace unlazy::linearise
