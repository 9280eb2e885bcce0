#include "optim/loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Reduction.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/mse_loss.h>
#include <ATen/ops/one_hot.h>

namespace unlazy::optim {

OptionTable describe(LossOptions& o) {
  return {
      "Loss",
      {{.name = "loss",
        .target = &o.kind,
        .help = "What training minimises.",
        .choices = {{"cross-entropy", "mean over the batch of -log softmax(f)[y]"},
                    {"squared-error", "0.5 * mean over batch and classes of (f - onehot(y))^2"}}},
       {.name = "label-smoothing",
        .target = &o.label_smoothing,
        .range = Range::closed(0, 1),
        .help = "Weight of the uniform distribution in the targets of cross-entropy.",
        .only_for = {{"loss", {"cross-entropy"}}}}}};
}

Loss::Loss(const LossOptions& options)
    : is_regression_(options.kind == "squared-error"), label_smoothing_(options.label_smoothing) {}

at::Tensor Loss::mean(const at::Tensor& logits, const at::Tensor& targets) const {
  const auto wide = logits.scalar_type() == c10::kBFloat16 ? logits.to(c10::kFloat) : logits;
  if (is_regression_) return at::mse_loss(wide, targets.to(wide.scalar_type())) * 0.5;
  return at::cross_entropy_loss(wide, targets, {}, at::Reduction::Mean, /*ignore_index=*/-100,
                                label_smoothing_);
}

// log softmax(f)[y] summed with targets t that sum to 1: logsumexp(f) - t . f
at::Tensor Loss::differentiable_mean(const at::Tensor& logits, const at::Tensor& targets) const {
  if (is_regression_) return (logits - targets.to(logits.scalar_type())).pow(2).mean() * 0.5;
  const int64_t num_classes = logits.size(1);
  const auto onehot = at::one_hot(targets, num_classes).to(logits.scalar_type());
  const auto smooth =
      onehot * (1 - label_smoothing_) + label_smoothing_ / static_cast<double>(num_classes);
  return (at::logsumexp(logits, {1}) - (logits * smooth).sum(1)).mean();
}

at::Tensor Loss::clean_targets(const at::Tensor& labels, int64_t num_classes) const {
  return is_regression_ ? at::one_hot(labels, num_classes).to(c10::kFloat) : labels;
}

}  // namespace unlazy::optim
