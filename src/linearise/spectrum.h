// Numbers about a kernel: its spectrum, the largest stable learning rate, and the distance between
// two kernels.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace unlazy::linearise {

/// [N K, M K] -> [N, M]: mean over k of the entries (n k, m k).
at::Tensor trace_classes(const at::Tensor& full, int64_t num_outputs);

/// Eigenvalues ascending [n] and eigenvectors [n, n] (columns) of a symmetric kernel, in fp64 on
/// the CPU. Throws an Error if K is not square, not symmetric or not finite.
struct Spectrum {
  at::Tensor eigenvalues;
  at::Tensor eigenvectors;
};
Spectrum spectrum(const at::Tensor& kernel);

/// The edge of stability of torch.optim.SGD on a quadratic: the learning rate times the curvature h
/// at which a deviation x stops shrinking. With v' = mu v + h x:
///   x' = x - lr v'              2 (1 + mu)
///   x' = x - lr (h x + mu v')   2 (1 + mu) / (1 + 2 mu)   (Nesterov)
/// where -1 becomes an eigenvalue of the map (x, v) -> (x', v').
double stable_rate(double momentum, bool is_nesterov);

/// The learning rate at which gradient descent on the linearised network stops being stable, for
/// the loss 0.5 * mean over the n entries of (f - y)^2: stable_rate() n / lambda_max (without
/// momentum neural-tangents' predict.max_learning_rate).
double max_learning_rate(const at::Tensor& kernel, double momentum = 0, bool is_nesterov = false);

/// <A, B> / (|A| |B|) (Frobenius): 1 for the same kernel up to a factor, >= 0 for two kernels.
double kernel_alignment(const at::Tensor& a, const at::Tensor& b);
/// |A - B| / |B| (Frobenius).
double kernel_distance(const at::Tensor& a, const at::Tensor& b);

}  // namespace unlazy::linearise
