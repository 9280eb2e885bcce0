// Numbers about each layer's weights. The weight of a convolution counts as a matrix
// [out, in * height * width]; s are its singular values:
//   weight_norm/LAYER      Euclidean
//   nuclear_norm/LAYER     sum_i s_i
//   effective_rank/LAYER   exp(-sum_i p_i log p_i), p = s / sum s (Roy and Vetterli 2007)
// There is no mean over layers, since layers differ in size.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/linalg_svdvals.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/xlogy.h>

#include "measure/measurement.h"

namespace unlazy::measure {
namespace {

// Calls make(weights as a matrix) for each layer.
template <class Make>
std::vector<Value> each_layer(const Subject& subject, const std::string& name, const Make& make) {
  at::NoGradGuard no_grad;
  std::vector<Value> values;
  for (const auto& segment : subject.parameters.segments()) {
    if (segment.offset >= subject.parameters.num_weights()) break;  // weights come first
    const auto weight =
        optim::FlatParameters::view(subject.parameters.values(), segment).flatten(1);
    const auto layer = segment.name.substr(0, segment.name.rfind('.'));
    values.push_back({name + "/" + layer, make(weight)});
  }
  return values;
}

}  // namespace

std::vector<Value> measure_layer_norms(const Subject& subject) {
  return each_layer(subject, "weight_norm", [](const at::Tensor& w) {
    return at::linalg_vector_norm(w, 2, c10::nullopt, /*keepdim=*/false, c10::kDouble);
  });
}

std::vector<Value> measure_nuclear_norm(const Subject& subject) {
  return each_layer(subject, "nuclear_norm",
                    [](const at::Tensor& w) { return at::linalg_svdvals(w).sum(); });
}

std::vector<Value> measure_effective_rank(const Subject& subject) {
  return each_layer(subject, "effective_rank", [](const at::Tensor& w) {
    const auto s = at::linalg_svdvals(w);
    const auto p = s / s.sum().clamp_min(1e-30);
    return at::xlogy(p, p).sum().neg().exp();
  });
}

}  // namespace unlazy::measure
