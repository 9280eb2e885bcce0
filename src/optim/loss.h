// What training minimises.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "core/options.h"

namespace unlazy::optim {

/// --loss, --label-smoothing
struct LossOptions {
  std::string kind = "cross-entropy";
  double label_smoothing = 0;
};
OptionTable describe(LossOptions& options);

/// The loss of a batch, averaged.
///   cross-entropy   mean_b -log softmax(f_b)[y_b]
///                   with smoothing s the targets are (1 - s) onehot + s / K (Szegedy et al. 2016)
///   squared-error   0.5 * mean over the B K entries of (f - y)^2, y one-hot or given:
///                   neural-tangents' convention
class Loss {
 public:
  explicit Loss(const LossOptions& options);
  bool is_regression() const { return is_regression_; }
  /// logits [B, K] of any floating dtype; targets [B] int64 classes for cross-entropy, [B, K] for
  /// squared-error. A scalar in fp32 (fp64 for fp64 logits).
  at::Tensor mean(const at::Tensor& logits, const at::Tensor& targets) const;
  /// The same from operators that have every derivative. Fused cross entropy lacks one: its
  /// backward pass has no forward derivative. For measurements.
  at::Tensor differentiable_mean(const at::Tensor& logits, const at::Tensor& targets) const;
  /// The targets of clean class labels [B] int64: the labels themselves, or one-hot [B, K].
  at::Tensor clean_targets(const at::Tensor& labels, int64_t num_classes) const;

 private:
  bool is_regression_;
  double label_smoothing_;
};

}  // namespace unlazy::optim
