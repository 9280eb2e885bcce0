// Finds out where the parameters of a network are used, from the autograd graph of one forward
// pass. So it works for any module, however its code is written. A `Use` is a parameter that is
// used once: as weight or bias of a convolution or linear layer (also of one that is applied at each
// of several places, such as the tokens of a transformer), or as scale or shift of LayerNorm,
// GroupNorm, or BatchNorm in evaluation mode, possibly times a number as in the NTK
// parameterisation. Its part of the
// Jacobian is a product of the layer's input and the derivatives at the layer's output (Novak et
// al. 2022, "structured derivatives"). All other parameters need plain backward passes.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace torch::autograd {
struct Node;
}

namespace unlazy::linearise {

enum class Role { kConvolutionWeight, kLinearWeight, kScale, kShift };

struct Use {
  size_t parameter = 0;  // index in Network::parameters()
  Role role = Role::kShift;
  double factor = 1;  // the layer sees factor * parameter
  torch::autograd::Node* layer = nullptr;
  // [N, C, H, W], or of a linear layer [N, places, C]; of kScale: normalised, in the shape
  // of the output
  at::Tensor input;
  int64_t channel_dim = 1;                                 // of the layer's output; -1 in LayerNorm
  std::vector<int64_t> kernel, stride, padding, dilation;  // of kConvolutionWeight
};

struct Layers {
  std::vector<Use> uses;       // in the order of the parameters
  std::vector<size_t> others;  // parameters that belong to no known layer
};

/// `outputs` must be computed with gradients recorded. The uses are valid while the graph lives.
Layers find_layers(const at::Tensor& outputs, const std::vector<at::Tensor>& parameters);

/// Derivatives of sum(outputs * cotangent) at the outputs of `layers`, in their order. One backward
/// pass that computes no gradient of a weight. The graph is kept.
std::vector<at::Tensor> derivatives_at(const at::Tensor& outputs, const at::Tensor& cotangent,
                                       const std::vector<torch::autograd::Node*>& layers);

/// The part of `input` [n, C, H, W] that each position of a convolution's output depends on:
/// [n, S, kernel x kernel x C]. The kernel does not depend on the order within the last dimension;
/// in this order, contiguous runs of the input's rows can be copied.
at::Tensor patches(const at::Tensor& input, const Use& use);

}  // namespace unlazy::linearise
