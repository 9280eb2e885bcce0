// The empirical neural tangent kernel (Jacot et al. 2018), K = J J^T at the present parameters.
//   full    K[n K + k, m K + l] = <df_k(x_n)/dtheta, df_l(x_m)/dtheta>      [N K, N K]
//           neural-tangents' trace_axes=()
//   traced  sum_k K[n k, m k] / K                                           [N, N]
//           neural-tangents' trace_axes=(-1,)
// It is computed parameter by parameter, so that J [N K, P] is never held. Since samples do not
// interact, K backward passes (not N K) give the derivatives at every layer's output for all
// samples at once. A layer's rows of J are a product of these with its inputs; they are multiplied
// and dropped. Parameters outside convolutions, linear layers and BatchNorm need N K backward
// passes of single samples. Cost: about 2 K passes, and N^2 K^2 P multiply-adds, which dominate for
// large N.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "linearise/network.h"
#include "linearise/spectrum.h"  // what kernels are asked for

namespace unlazy::linearise {

struct KernelOptions {
  int64_t memory =
      int64_t{1} << 30;       // most bytes for the kernel and its work space, > 0; the graph
                              // of one pass over a batch comes on top
  int64_t batch = 64;         // samples per forward pass, > 0
  bool is_exact_sum = false;  // sum in fp64 also for an fp32 network
  /// Plain backward passes over the whole batch for each row. Slow, but also right for a network
  /// whose samples interact.
  bool is_generic = false;
};

struct Kernel {
  at::Tensor train;          // [N K, N K], symmetric
  at::Tensor test;           // [M K, N K]; undefined without test inputs
  at::Tensor train_outputs;  // [N, K] f(x)
  at::Tensor test_outputs;   // [M, K]
};

/// The kernel of `network` on inputs [N, ...], and between test inputs [M, ...] and these. Its
/// dtype is that of the network, or Double with is_exact_sum. Throws an Error if the module is in
/// training mode and has buffers, if the work does not fit into options.memory, if samples interact
/// (checked by r^T K r = |J^T r|^2 for one random r), or if an entry is not finite.
Kernel kernel(const Network& network, const at::Tensor& inputs, const at::Tensor& test_inputs = {},
              const KernelOptions& options = {});

/// The traced kernel [N, N], without computing the full one: K times fewer multiply-adds. Checked
/// and refused as the full one is.
at::Tensor traced_kernel(const Network& network, const at::Tensor& inputs,
                         const KernelOptions& options = {});

}  // namespace unlazy::linearise
