// Where the parameters of a network enter: read from the autograd graph of one forward pass, so
// that any module is understood, whatever its code looks like. A parameter that is used once, as
// weight or bias of a convolution or a linear layer, or as scale or shift of BatchNorm in
// evaluation mode (each possibly times a number, as in the NTK parameterisation), is a `Use`: its
// part of the Jacobian is a product of the layer's input and of the derivatives at the layer's
// output (Novak et al. 2022, "structured derivatives"). All other parameters are left to plain
// backward passes.
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
  size_t parameter = 0;  // place in Network::parameters()
  Role role = Role::kShift;
  double factor = 1;  // the layer sees factor * parameter
  torch::autograd::Node* layer = nullptr;
  at::Tensor input;  // [N, C, H, W] or [N, C]; of kScale: normalised, in the shape of the output
  std::vector<int64_t> kernel, stride, padding, dilation;  // of kConvolutionWeight
};

struct Layers {
  std::vector<Use> uses;       // in the order of the parameters
  std::vector<size_t> others;  // parameters that no layer is known for
};

/// `outputs` as computed with gradients recorded. The uses are valid as long as the graph lives.
Layers find_layers(const at::Tensor& outputs, const std::vector<at::Tensor>& parameters);

/// Derivatives of sum(outputs * cotangent) at the outputs of `layers`, in their order; the graph is
/// kept. One backward pass that computes no gradient of a weight.
std::vector<at::Tensor> derivatives_at(const at::Tensor& outputs, const at::Tensor& cotangent,
                                       const std::vector<torch::autograd::Node*>& layers);

/// What each place of a convolution's output sees of its `input` [n, C, H, W]: [n, S, kernel x
/// kernel x C]. In this order of the last dimension, which a kernel does not depend on, it copies
/// runs of the input's row.
at::Tensor patches(const at::Tensor& input, const Use& use);

}  // namespace unlazy::linearise
