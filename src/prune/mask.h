// Masks over the weights of a network, true where a weight is kept.
// A mask has the layout of FlatParameters: [num_weights] bool, convolution and linear weights in
// flat order. Biases and normalisation layers are not part of it, so they are never pruned.
// In a file, a mask is one BOOL tensor per layer under the parameter's name, in the shape of
// torch's masks (`weight_mask`).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "optim/flat_parameters.h"

namespace unlazy::prune {

/// The mask that keeps everything, on the parameters' device.
at::Tensor full_mask(const optim::FlatParameters& parameters);

/// All layers with weights, in flat order, which is the order of the module's own parameters.
std::vector<optim::Segment> weight_layers(const optim::FlatParameters& parameters);

/// How many weights of a layer are left.
struct LayerCount {
  std::string name;  // of the weight: "layer1.0.conv1.weight"
  int64_t total = 0;
  int64_t kept = 0;
};
/// One entry per layer with weights. Waits for the device once.
std::vector<LayerCount> count_layers(const optim::FlatParameters& parameters,
                                     const at::Tensor& mask);

/// Does `outer` keep everything that `inner` keeps?
bool is_nested(const at::Tensor& inner, const at::Tensor& outer);

/// Writes the mask, whole or not at all.
void save_mask(const optim::FlatParameters& parameters, const at::Tensor& mask,
               const std::string& path);
/// Reads it back, to the parameters' device. Throws Error naming what is missing, unexpected or of
/// another shape.
at::Tensor load_mask(const optim::FlatParameters& parameters, const std::string& path);

}  // namespace unlazy::prune
