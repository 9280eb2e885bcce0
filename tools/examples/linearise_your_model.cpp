// How lazy is a network of your own? Prints its neural tangent kernel's spectrum, the largest
// stable learning rate of its linearisation, and its distance from that linearisation while both
// train.
#include <torch/nn.h>
#include <torch/optim/sgd.h>

#include <cstdio>

#include "linearise/function_space.h"
#include "linearise/kernel.h"
#include "linearise/network.h"

using namespace unlazy;

// Any torch::nn::Module with forward: [N, ...] -> [N, K] will do. It need not know of unlazy.
struct YourModel : torch::nn::Module {
  at::Tensor forward(const at::Tensor& x) { return head(torch::relu(norm(conv(x))).mean({2, 3})); }
  torch::nn::Conv2d conv = register_module("conv", torch::nn::Conv2d(3, 16, 3));
  torch::nn::BatchNorm2d norm = register_module("norm", torch::nn::BatchNorm2d(16));
  torch::nn::Linear head = register_module("head", torch::nn::Linear(16, 4));
};

int main() {
  torch::manual_seed(0);
  YourModel model;
  model.eval();  // BatchNorm with fixed statistics: without, samples of a batch interact
  const auto x = torch::randn({24, 3, 8, 8});
  const auto y = torch::one_hot(torch::arange(24) % 4, 4).to(torch::kFloat);
  const auto loss = [&](const at::Tensor& f) { return 0.5 * (f - y).square().mean(); };

  const linearise::Network network(model);
  const linearise::Point start(network);  // keeps theta0
  const auto kernel = linearise::kernel(network, x);
  const auto eigenvalues = linearise::spectrum(kernel.train).eigenvalues;  // ascending
  const double lr = linearise::max_learning_rate(kernel.train);
  std::printf("kernel [%d, %d], eigenvalues %.3g to %.3g, largest stable learning rate %.3g\n\n",
              static_cast<int>(kernel.train.size(0)), static_cast<int>(kernel.train.size(1)),
              eigenvalues[0].item<double>(), eigenvalues[-1].item<double>(), lr);

  linearise::FunctionSpace linear(kernel);  // trains the linearisation without its weights
  torch::optim::SGD optimizer(model.parameters(), lr / 2);
  std::printf("step     loss  linearised  lazy distance\n");
  for (int step = 0; step <= 40; ++step) {
    const auto f = model.forward(x);
    if (step % 10 == 0) {
      // |f - f_lin| / |f_lin - f0|, where f_lin = f0 + J (theta - theta0) at the model's own theta.
      const auto moved = network.values() - start.values();
      const linearise::AtPoint at_start(network, start);  // for this block only
      const auto [f0, change] = linearise::jvp(network, x, moved);
      const auto distance = (f - f0 - change).norm() / change.norm().clamp_min(1e-12);
      std::printf("%4d  %.5f     %.5f  %13.4f\n", step, loss(f).item<double>(),
                  loss(linear.train_outputs()).item<double>(), distance.item<double>());
    }
    optimizer.zero_grad();
    loss(f).backward();
    optimizer.step();
    linear.step({.lr = lr / 2}, [&](const at::Tensor& g) { return (g - y) / y.numel(); });
  }
}
