// The empirical neural tangent kernel (Jacot et al. 2018), K = J J^T at the present parameters.
//   full    K[n K + k, m K + l] = <df_k(x_n)/dtheta, df_l(x_m)/dtheta>    [N K, N K],
//   neural-tangents'
//           trace_axes=()
//   traced  sum_k K[n k, m k] / K                                         [N, N], trace_axes=(-1,)
// Computed parameter by parameter, so that J [N K, P] is never held: K backward passes (not N K)
// give the derivatives at every layer's output for all samples at once, since samples do not
// interact; a layer's rows of J are a product with its inputs, and are multiplied and dropped.
// Parameters outside convolutions, linear layers and BatchNorm take N K backward passes of single
// samples. Cost: about 2 K passes, and N^2 K^2 P multiply-adds, which dominate for large N.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "linearise/network.h"
#include "linearise/spectrum.h"  // what kernels are asked for

namespace unlazy::linearise {

struct KernelOptions {
  int64_t memory = int64_t{1} << 30;  // bytes at most for the kernel and its working space, > 0;
                                      // not in it: the graph of one pass over a batch
  int64_t batch = 64;                 // samples a forward pass, > 0
  bool is_exact_sum = false;          // sum in fp64 what an fp32 network gives
  /// Plain backward passes over the whole batch for each row: slow, and right also for a network
  /// whose samples interact.
  bool is_generic = false;
};

struct Kernel {
  at::Tensor train;          // [N K, N K], symmetric
  at::Tensor test;           // [M K, N K]; undefined without test inputs
  at::Tensor train_outputs;  // [N, K] f(x)
  at::Tensor test_outputs;   // [M, K]
};

/// The kernel of `network` on inputs [N, ...], and between test inputs [M, ...] and these. Dtype of
/// the network, or Double with is_exact_sum. Throws an Error if the module is in training mode and
/// holds buffers, if the work does not fit options.memory, if samples interact (checked on
/// r^T K r = |J^T r|^2 for one random r), or if an entry is not finite.
Kernel kernel(const Network& network, const at::Tensor& inputs, const at::Tensor& test_inputs = {},
              const KernelOptions& options = {});

/// The traced kernel [N, N], without the full one: K times fewer multiply-adds. Checked and refused
/// as the full one is.
at::Tensor traced_kernel(const Network& network, const at::Tensor& inputs,
                         const KernelOptions& options = {});

}  // namespace unlazy::linearise
