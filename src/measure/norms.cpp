// Norms over the flat buffers, summed in fp64.
#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>

#include "measure/measurement.h"

namespace unlazy::measure {
namespace {

at::Tensor flat_norm(const at::Tensor& flat) {
  return at::linalg_vector_norm(flat, 2, c10::nullopt, /*keepdim=*/false, c10::kDouble);
}

}  // namespace

std::vector<Value> measure_weight_norm(const Subject& subject) {
  return {{"weight_norm", flat_norm(subject.parameters.values())}};
}

std::vector<Value> measure_gradient_norm(const Subject& subject) {
  return {{"gradient_norm", flat_norm(subject.parameters.gradients())}};
}

std::vector<Value> measure_distance(const Subject& subject) {
  return {{"distance_from_init", flat_norm(subject.parameters.values() - subject.initial_values)}};
}

}  // namespace unlazy::measure
