// How lazy is the network still? Compares it with its linearisation at initialisation,
//   f_lin(theta) = f(theta0) + J(theta0) (theta - theta0)
//   lazy-distance   |f - f_lin| / |f_lin - f0| on both splits: 0 while the network acts as its
//                   linearisation, of order 1 when it has become another function
//   ntk-change      traced empirical kernel K(t) against K(0): trace K(t) / trace K(0),
//                   |K(t) - K(0)| / |K(0)|, <K(t), K(0)> / |K(t)| |K(0)|
//   first-layer     norm |W|_F of the first weights, mean and standard deviation of its neurons'
//                   norms |w_i| (rows of [out, in]), in fp64 since they change by parts in 10^5. In
//                   a network of two layers also the share of neurons outside the ball of
//                   Definition 1, |w_i(t) - w_i(0)| > 1 / sqrt(m), for weights scaled as in the
//                   paper, w_i ~ N(0, I / d).
// In evaluation mode. Both networks of lazy-distance use the present BatchNorm statistics, since a
// linearisation has one set. So do both kernels of ntk-change, unless statistics are recalibrated:
// then each has its own. Samples as for the other measurements that differentiate.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "linearise/kernel.h"
#include "measure/loss_surface.h"

namespace unlazy::measure {
namespace {

Subject on_split(const Subject& subject, const std::string& split) {
  auto copy = subject;
  copy.probe.split = split;
  return copy;
}

// The measured network; pruned weights are constants of it.
linearise::Network network_of(const Subject& subject) {
  linearise::Network network(subject.model);
  const auto& parameters = subject.parameters;
  if (!parameters.mask().defined()) return network;
  std::map<std::string, at::Tensor> masks;
  for (const auto& segment : parameters.segments()) {
    if (segment.offset < parameters.num_weights())
      masks[segment.name] = optim::FlatParameters::view(parameters.mask(), segment);
  }
  std::vector<at::Tensor> free;
  for (const auto& name : network.names()) free.push_back(masks[name]);
  network.set_free(std::move(free));
  return network;
}

at::Tensor lazy_distance(const Subject& subject) {
  const at::NoGradGuard no_grad;
  LossSurface surface(subject, models::PlainOperators::Derivatives::kForward);
  const auto network = network_of(subject);
  const auto theta = network.values();
  std::vector<at::Tensor> now;
  surface.for_each_batch([&](const at::Tensor& images) { now.push_back(network(images)); });
  surface.point().copy_(subject.initial_values);
  const auto moved = theta - network.values();
  auto squares = at::zeros({2}, moved.options().dtype(c10::kDouble));
  size_t i = 0;
  surface.for_each_batch([&](const at::Tensor& images) {
    const auto start = linearise::jvp(network, images, moved);
    const auto off = now[i++] - start.value - start.tangent;
    squares[0].add_(off.to(c10::kDouble).square().sum());
    squares[1].add_(start.tangent.to(c10::kDouble).square().sum());
  });
  // At the start both are 0.
  return at::where(squares[1] > 0, squares[0] / squares[1], squares[0]).sqrt();
}

// Rows of the first weights, [out, in], in fp64.
at::Tensor neurons(const Subject& subject, const at::Tensor& flat) {
  return optim::FlatParameters::view(flat, subject.parameters.segments()[0])
      .to(c10::kDouble)
      .flatten(1);
}

int64_t num_layers(const Subject& subject) {
  int64_t count = 0;
  for (const auto& segment : subject.parameters.segments())
    count += segment.offset < subject.parameters.num_weights() ? 1 : 0;
  return count;
}

}  // namespace

std::vector<Value> measure_lazy_distance(const Subject& subject) {
  return {{"lazy_distance_train", lazy_distance(on_split(subject, "train"))},
          {"lazy_distance_test", lazy_distance(on_split(subject, "test"))}};
}

std::vector<Value> measure_ntk_change(const Subject& subject) {
  const at::NoGradGuard no_grad;
  LossSurface surface(subject, models::PlainOperators::Derivatives::kForward);
  const auto network = network_of(subject);
  std::vector<at::Tensor> batches;
  surface.for_each_batch([&](const at::Tensor& images) { batches.push_back(images); });
  const auto images = at::cat(batches);
  linearise::KernelOptions options{.memory = subject.probe.ntk_memory << 20};
  options.batch = std::min(options.batch, subject.batch_size);
  const auto now = linearise::traced_kernel(network, images, options);
  surface.point().copy_(subject.initial_values);
  surface.collect_statistics();
  const auto start = linearise::traced_kernel(network, images, options);
  const auto number = [](double value) { return at::scalar_tensor(value, c10::kDouble); };
  return {{"ntk_trace_ratio", now.trace().to(c10::kDouble) / start.trace().to(c10::kDouble)},
          {"ntk_distance", number(linearise::kernel_distance(now, start))},
          {"ntk_alignment", number(linearise::kernel_alignment(now, start))}};
}

std::vector<Value> measure_first_layer(const Subject& subject) {
  const at::NoGradGuard no_grad;
  const auto now = neurons(subject, subject.parameters.values());
  const auto norms = now.norm(2, 1);
  std::vector<Value> values = {{"first_layer_norm", now.norm()},
                               {"first_layer_neuron_mean", norms.mean()},
                               {"first_layer_neuron_std", norms.std(/*unbiased=*/false)}};
  if (num_layers(subject) == 2) {
    const auto moved = (now - neurons(subject, subject.initial_values)).norm(2, 1);
    const double ball = 1 / std::sqrt(static_cast<double>(moved.size(0)));
    values.push_back({"first_layer_escaped", (moved > ball).to(c10::kDouble).mean()});
  }
  return values;
}

}  // namespace unlazy::measure
