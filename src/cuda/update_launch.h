// The optimizer's kernels for LibTorch's tensors, on LibTorch's current stream. They do not wait
// for the device and can be captured into a CUDA graph, except for updates_agree().
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include "cuda/update_kernel.h"

namespace unlazy::cuda {

/// Flat buffers of one CUDA device, fp32 or fp64, as in optim/flat_parameters.h.
struct UpdateTensors {
  at::Tensor values, gradients;  // [P]
  at::Tensor velocity;           // [P]; undefined: no momentum
  at::Tensor mask;               // [num_weights] bool, false: pruned; undefined: none
  at::Tensor shadow;             // [num_low_precision] bf16; undefined: none
};

/// One update of SGD, and what FlatParameters::publish() does. `lr` is a scalar on the device, fp32
/// or fp64.
void sgd_update(const UpdateTensors& tensors, const SgdRule& rule, const at::Tensor& lr);

/// values += rho / norm * gradients, and what FlatParameters::publish() does. `rho` and `norm` are
/// scalars on the device in the dtype of the values; `norm` undefined: 1.
void perturb(const UpdateTensors& tensors, const at::Tensor& rho, const at::Tensor& norm);

/// Do both kernels run on `device` and agree with LibTorch's operations on a small problem? Found
/// out at the first call for a device, which waits for it, so not while a graph is captured. Warns
/// once where they do not: callers then use LibTorch's operations.
bool updates_agree(c10::Device device);

}  // namespace unlazy::cuda
