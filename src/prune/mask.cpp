#include "prune/mask.h"

#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>

#include "core/error.h"
#include "core/safetensors.h"
#include "models/weights.h"

namespace unlazy::prune {
namespace {

std::vector<std::pair<std::string, at::Tensor>> named_parts(const optim::FlatParameters& parameters,
                                                            const at::Tensor& mask) {
  std::vector<std::pair<std::string, at::Tensor>> parts;
  for (const auto& layer : weight_layers(parameters))
    parts.emplace_back(layer.name, optim::FlatParameters::view(mask, layer));
  return parts;
}

}  // namespace

at::Tensor full_mask(const optim::FlatParameters& parameters) {
  return at::ones({parameters.num_weights()}, parameters.values().options().dtype(c10::kBool));
}

std::vector<optim::Segment> weight_layers(const optim::FlatParameters& parameters) {
  std::vector<optim::Segment> layers;
  for (const auto& segment : parameters.segments()) {
    if (segment.offset + segment.count <= parameters.num_weights()) layers.push_back(segment);
  }
  return layers;
}

std::vector<LayerCount> count_layers(const optim::FlatParameters& parameters,
                                     const at::Tensor& mask) {
  std::vector<at::Tensor> sums;
  std::vector<LayerCount> counts;
  for (const auto& layer : weight_layers(parameters)) {
    sums.push_back(mask.narrow(0, layer.offset, layer.count).sum());
    counts.push_back({layer.name, layer.count, 0});
  }
  const auto host = at::stack(sums).cpu();
  for (size_t i = 0; i < counts.size(); ++i) counts[i].kept = host.const_data_ptr<int64_t>()[i];
  return counts;
}

bool is_nested(const at::Tensor& inner, const at::Tensor& outer) {
  return !inner.logical_and(outer.logical_not()).any().item<bool>();
}

void save_mask(const optim::FlatParameters& parameters, const at::Tensor& mask,
               const std::string& path) {
  save_tensors(path, {named_parts(parameters, mask), {{"format", "pt"}, {"holds", "mask"}}});
}

at::Tensor load_mask(const optim::FlatParameters& parameters, const std::string& path) {
  auto mask = full_mask(parameters);
  models::copy_tensors(path, named_parts(parameters, mask));
  return mask;
}

}  // namespace unlazy::prune
