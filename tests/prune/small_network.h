// Two convolutions, a BatchNorm and a head: the network of tests/golden/make_prune_golden.py.
#pragma once

#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

namespace unlazy::testing {

struct SmallNetwork : torch::nn::Module {
  SmallNetwork() {
    a = register_module("a", torch::nn::Conv2d(torch::nn::Conv2dOptions(3, 8, 3)));
    norm = register_module("norm", torch::nn::BatchNorm2d(8));
    b = register_module("b", torch::nn::Conv2d(torch::nn::Conv2dOptions(8, 16, 3)));
    c = register_module("c", torch::nn::Linear(16, 10));
  }
  at::Tensor forward(const at::Tensor& images) {
    return c->forward(b->forward(norm->forward(a->forward(images))).mean({2, 3}));
  }

  torch::nn::Conv2d a{nullptr}, b{nullptr};
  torch::nn::BatchNorm2d norm{nullptr};
  torch::nn::Linear c{nullptr};
};

}  // namespace unlazy::testing
