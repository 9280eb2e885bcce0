// The computational cost of a network: multiply-adds of its convolutions and linear layers.
// A weight takes part in one multiply-add for each output position of its layer: H_out W_out for a
// convolution (padding counted), 1 for a linear layer. Normalisation, ReLU and sums are not
// counted, as is usual (ResNet-18 on 32 x 32: 0.555e9).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "models/model.h"
#include "optim/flat_parameters.h"
#include "prune/mask.h"

namespace unlazy::prune {

/// Output positions of each layer of weight_layers() for one image. They are found by watching a
/// forward pass of `image` [1, C, H, W] in evaluation mode, which works for any network. A layer
/// that the pass does not use has 0.
std::vector<int64_t> output_positions(models::Model& model, const optim::FlatParameters& parameters,
                                      const at::Tensor& image);

/// The remaining multiply-adds of one image when each layer has `kept` weights.
int64_t multiply_adds(const std::vector<LayerCount>& layers, const std::vector<int64_t>& positions);

}  // namespace unlazy::prune
