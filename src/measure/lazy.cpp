// How lazy is the network still? Compares it with its linearisation at initialisation,
//   f_lin(theta) = f(theta0) + J(theta0) (theta - theta0)
//   lazy-distance   |f - f_lin| / |f_lin - f0| on both splits: 0 while the network acts as its
//                   linearisation, of order 1 when it has become another function. If asked for,
//                   also |f - f_2| / |f_2 - f0|, with f_2 = f_lin + d H d / 2, d = theta - theta0.
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
#include "linearise/linearised.h"
#include "measure/loss_surface.h"
#include "measure/network.h"

namespace unlazy::measure {
namespace {

Subject on_split(const Subject& subject, const std::string& split) {
  auto copy = subject;
  copy.probe.split = split;
  return copy;
}

// |f - g| / |g - f0| over all samples; where nothing has moved, 0.
class Distance {
 public:
  explicit Distance(const at::Tensor& like)
      : squares_(at::zeros({2}, like.options().dtype(c10::kDouble))) {}
  // `moved`: g - f0.
  void add(const at::Tensor& off, const at::Tensor& moved) {
    squares_[0].add_(off.to(c10::kDouble).square().sum());
    squares_[1].add_(moved.to(c10::kDouble).square().sum());
  }
  at::Tensor value() const {
    return at::where(squares_[1] > 0, squares_[0] / squares_[1], squares_[0]).sqrt();
  }

 private:
  at::Tensor squares_;
};

// From the Taylor polynomials of order 1 and, if asked for, 2.
std::vector<at::Tensor> lazy_distances(const Subject& subject) {
  const at::NoGradGuard no_grad;
  LossSurface surface(subject, models::PlainOperators::Derivatives::kForward);
  const auto network = network_of(subject);
  const auto theta = network.values();
  std::vector<at::Tensor> now;
  surface.for_each_batch([&](const at::Tensor& images) { now.push_back(network(images)); });
  surface.point().copy_(subject.initial_values);
  const auto start = network.values(), moved = theta - start;
  Distance first(moved), second(moved);
  size_t i = 0;
  surface.for_each_batch([&](const at::Tensor& images) {
    const auto [value, tangent] = linearise::jvp(network, images, moved);
    first.add(now[i++] - value - tangent, tangent);
  });
  if (subject.probe.taylor_order == 1) return {first.value()};
  // Takes the network over, until `surface` gives its memory back.
  const linearise::Linearisation polynomial(network, 2);
  const auto f0 = polynomial.start();
  std::vector<at::Tensor> at_theta = network.split(theta);
  for (size_t j = 0; j < f0.size(); ++j) {  // pruned weights do not move
    if (j < network.free().size() && network.free()[j].defined())
      at_theta[j] = at::where(network.free()[j], at_theta[j], f0[j]);
  }
  // By the operators of the polynomial: at the start, rounding must not count as distance.
  const models::PlainOperators plain(models::PlainOperators::Derivatives::kAll);
  const auto at_parameters = [&](const at::Tensor& images, const std::vector<at::Tensor>& values) {
    linearise::OtherMemory memory;
    for (size_t j = 0; j < values.size(); ++j) memory.look_at(network.parameters()[j], values[j]);
    return network(images);
  };
  surface.for_each_batch([&](const at::Tensor& images) {
    const auto outputs = polynomial.outputs(images, at_theta);
    second.add(at_parameters(images, at_theta) - outputs, outputs - at_parameters(images, f0));
  });
  return {first.value(), second.value()};
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

std::vector<Value> measure_lazy_distance(const Subject& subject) {
  std::vector<Value> values;
  for (const std::string split : {"train", "test"}) {
    const auto distances = lazy_distances(on_split(subject, split));
    values.push_back({"lazy_distance_" + split, distances[0]});
    if (distances.size() > 1) values.push_back({"lazy_distance_order2_" + split, distances[1]});
  }
  return values;
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
