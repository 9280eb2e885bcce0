// Small networks of the tests, with the layers that the kernel must know and some that it must not.
#pragma once

#include <ATen/ops/relu.h>
#include <ATen/ops/tanh.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

namespace unlazy {

/// Two convolutions (stride, padding, bias), BatchNorm, a shared linear layer, a free scale, a
/// scaled head: every way in which a parameter can enter.
class MixedNetwork : public torch::nn::Module {
 public:
  MixedNetwork() {
    conv1 = register_module(
        "conv1", torch::nn::Conv2d(torch::nn::Conv2dOptions(2, 4, 3).stride(2).padding(1)));
    norm = register_module("norm", torch::nn::BatchNorm2d(4));
    conv2 =
        register_module("conv2", torch::nn::Conv2d(torch::nn::Conv2dOptions(4, 5, 2).bias(false)));
    shared = register_module("shared", torch::nn::Linear(5, 5));
    gain = register_parameter("gain", at::full({5}, 1.5));
    head = register_module("head", torch::nn::Linear(torch::nn::LinearOptions(5, 3).bias(false)));
    // Statistics as after some training.
    norm->running_mean.uniform_(-0.5, 0.5);
    norm->running_var.uniform_(0.5, 1.5);
    at::NoGradGuard no_grad;
    norm->weight.uniform_(0.5, 1.5);
    to(torch::kDouble);
    eval();
  }
  at::Tensor forward(const at::Tensor& x) {
    auto h = at::tanh(norm->forward(conv1->forward(x)));
    h = at::tanh(conv2->forward(h)).mean({2, 3});
    h = at::tanh(shared->forward(at::tanh(shared->forward(h)))) * gain;
    return at::mm(h, (head->weight * 0.5).t());
  }
  torch::nn::Conv2d conv1{nullptr}, conv2{nullptr};
  torch::nn::BatchNorm2d norm{nullptr};
  torch::nn::Linear shared{nullptr}, head{nullptr};
  at::Tensor gain;
};

}  // namespace unlazy
