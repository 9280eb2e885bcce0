// Normalisation, residual sum and ReLU. All networks do them here, so that one fused kernel serves
// all of them.
//   forward(x, residual, relu) = relu(norm(x) + residual)
// Parameters and buffers are named and initialised like those of torch::nn::BatchNorm2d or
// GroupNorm, so that weights can be exchanged with PyTorch.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <string>
#include <vector>

namespace unlazy::models {

class NormImpl : public torch::nn::Module {
 public:
  /// `kind`: "batch", "group" or "none". Group normalisation uses the largest number of groups that
  /// divides `channels` and is at most `groups`.
  NormImpl(const std::string& kind, int64_t channels, int64_t groups);

  /// x [B, C, H, W]; `residual` of the same shape, or undefined. Scale, shift and statistics stay
  /// in the dtype of the master weights when x is bf16. Throws a misuse Error in training mode when
  /// a channel of the batch has only one value.
  at::Tensor forward(const at::Tensor& x, const at::Tensor& residual = {}, bool relu = true);

  /// As Module::to, except that the counter of batches stays an integer, as in Python.
  void to(torch::Device device, torch::Dtype dtype, bool non_blocking = false) override;
  void to(torch::Dtype dtype, bool non_blocking = false) override;
  void to(torch::Device device, bool non_blocking = false) override;

 private:
  friend class FrozenStatistics;
  friend class AveragedStatistics;
  at::Tensor normalize(const at::Tensor& x) const;
  at::Tensor affine(const at::Tensor& x) const;
  at::Tensor plain_group_norm(const at::Tensor& x) const;

  std::string kind_;
  int64_t groups_;
  double momentum_ = 0.1;  // of the running statistics, PyTorch's default; 0 while frozen
  at::Tensor weight, bias, running_mean, running_var, num_batches_tracked;
};
TORCH_MODULE(Norm);

/// How demanding the PlainOperators are that live in this thread: 0 none, 1 kForward, 2 kAll.
int plain_operators_level();

/// While one of these lives, norm layers of this thread use operators that have more derivatives
/// than the fused kernels. If several are nested, the most demanding one counts.
class PlainOperators {
 public:
  enum class Derivatives {
    kForward,  // a forward derivative, and one backward: ATen's layers, which the autograd graph
               // names (linearise/layers.h)
    kAll,      // also twice backward, and forward over backward, for which ATen's layers are taken
               // apart; in training mode of BatchNorm twice backward only
  };
  explicit PlainOperators(Derivatives derivatives = Derivatives::kAll);
  ~PlainOperators();
  PlainOperators(const PlainOperators&) = delete;
  PlainOperators& operator=(const PlainOperators&) = delete;

 private:
  int before_;
};

}  // namespace unlazy::models
