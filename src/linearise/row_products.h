// J J^T, the products of J's rows with each other, summed over blocks of J's columns, so that the
// whole J is never held.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace unlazy::linearise {

class RowProducts {
 public:
  /// J is given as [K, N + M, columns]: for each of the K = `num_outputs` outputs one row per
  /// sample, N = `num_train` samples, then M = `num_test`. Sums train [N K, N K] and, with test
  /// samples, test [M K, N K], row n K + k. If traced: [N, N] and [M, N], the mean over outputs.
  /// `options`: dtype and device of the sums.
  RowProducts(int64_t num_train, int64_t num_test, int64_t num_outputs, bool is_traced,
              const at::TensorOptions& options);

  /// Adds factor^2 J J^T for some columns of J.
  void add(const at::Tensor& jacobian, double factor);
  /// The same for J[k, n, (o i)] = d[k, n, o] h[n, i], as in a linear layer, without forming J:
  /// (d d^T) times (h h^T). d [K, N + M, O], h [N + M, I].
  void add_product(const at::Tensor& d, const at::Tensor& h, double factor);
  /// Call this once after everything is added. Before, train and test are not complete.
  void finish();

  at::Tensor train, test;

 private:
  int64_t num_train_, num_test_, num_outputs_;
  bool is_traced_;
};

}  // namespace unlazy::linearise
