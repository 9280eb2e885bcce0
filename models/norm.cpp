#include "models/norm.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/native_batch_norm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <tuple>

#include "core/error.h"
#include "models/dual_layers.h"
#include "models/fused_norm.h"

namespace unlazy::models {
namespace {

// cuDNN's kernels read scale and shift 16 bytes at a time, wherever these begin. As views of a flat
// buffer they may begin in between, and reading them is then an error of the device.
at::Tensor aligned(const at::Tensor& t) {
  constexpr uintptr_t kBytes = 16;
  const bool is_aligned = reinterpret_cast<uintptr_t>(t.const_data_ptr()) % kBytes == 0;
  return is_aligned || !t.is_cuda() ? t : t.clone();
}

constexpr double kEps = 1e-5;  // PyTorch's default

thread_local int plain_operators = 0;  // derivatives that operators must have beyond the usual

int64_t divisor_up_to(int64_t channels, int64_t limit) {
  int64_t groups = std::min(channels, limit);
  while (channels % groups != 0) --groups;
  return groups;
}

}  // namespace

int plain_operators_level() { return plain_operators; }

PlainOperators::PlainOperators(Derivatives derivatives) : before_(plain_operators) {
  plain_operators = std::max(plain_operators, derivatives == Derivatives::kForward ? 1 : 2);
}
PlainOperators::~PlainOperators() { plain_operators = before_; }

NormImpl::NormImpl(const std::string& kind, int64_t channels, int64_t groups)
    : kind_(kind), groups_(kind == "group" ? divisor_up_to(channels, groups) : 1) {
  if (kind == "none") return;
  weight = register_parameter("weight", at::ones({channels}));
  bias = register_parameter("bias", at::zeros({channels}));
  if (kind == "group") return;
  running_mean = register_buffer("running_mean", at::zeros({channels}));
  running_var = register_buffer("running_var", at::ones({channels}));
  num_batches_tracked = register_buffer("num_batches_tracked", at::zeros({}, c10::kLong));
}

at::Tensor NormImpl::forward(const at::Tensor& x, const at::Tensor& residual, bool relu) {
  const bool is_training_batch = kind_ == "batch" && is_training();
  // As torch.nn.BatchNorm2d: one value has no variance.
  UNLAZY_CHECK_USAGE(!is_training_batch || x.numel() > x.size(1),
                     "BatchNorm: expected more than 1 value per channel when training, got input ",
                     x.sizes(),
                     ": a batch, or its last part, is a single image; use --drop-last or "
                     "another --batch (for statistics that are collected anew: --eval-batch)");
  const BatchNormTensors tensors{weight,    bias, running_mean, running_var, num_batches_tracked,
                                 momentum_, kEps};
  if (kind_ == "batch" && plain_operators == 0 && can_fuse(x, residual, tensors)) {
    if (is_training()) return fused_batch_norm_train(x, residual, tensors, relu);
    if (!at::GradMode::is_enabled()) return fused_batch_norm_eval(x, residual, tensors, relu);
  }
  if (is_training_batch && momentum_ != 0) num_batches_tracked.add_(1);
  auto y = normalize(x);
  if (residual.defined()) y = y + residual;
  return relu ? at::relu(y) : y;
}

void NormImpl::to(torch::Device device, torch::Dtype dtype, bool non_blocking) {
  to(device, non_blocking);
  to(dtype, non_blocking);
}

void NormImpl::to(torch::Dtype dtype, bool non_blocking) {
  const auto count = num_batches_tracked.defined() ? num_batches_tracked.clone() : at::Tensor();
  Module::to(dtype, non_blocking);
  if (count.defined()) num_batches_tracked.set_data(count);
}

void NormImpl::to(torch::Device device, bool non_blocking) { Module::to(device, non_blocking); }

// Running statistics make a channel an affine function: one operator that has every derivative.
at::Tensor NormImpl::affine(const at::Tensor& x) const {
  const auto scale = weight / (running_var + kEps).sqrt();
  const auto shift = bias - running_mean * scale;
  const auto wide = [](const at::Tensor& c) { return c.view({1, -1, 1, 1}); };
  return at::addcmul(wide(shift), x.to(weight.scalar_type()), wide(scale)).to(x.scalar_type());
}

// As ATen's group_norm, whose backward has no forward derivative.
at::Tensor NormImpl::plain_group_norm(const at::Tensor& x) const {
  const auto grouped = x.to(weight.scalar_type()).contiguous().view({x.size(0), groups_, -1});
  const auto centered = grouped - grouped.mean({2}, /*keepdim=*/true);
  const auto deviation = (centered.pow(2).mean({2}, /*keepdim=*/true) + kEps).sqrt();
  const auto wide = [](const at::Tensor& c) { return c.view({1, -1, 1, 1}); };
  return at::addcmul(wide(bias), (centered / deviation).view(x.sizes()), wide(weight))
      .contiguous(x.suggest_memory_format())
      .to(x.scalar_type());
}

at::Tensor NormImpl::normalize(const at::Tensor& x) const {
  if (kind_ == "none") return x;
  if (kind_ == "group" && is_dual_at_constants({x, weight, bias}))
    return dual_group_norm(x, weight, bias, groups_, kEps);
  if (kind_ == "batch" && !is_training() && is_dual_at_constants({x, weight, bias}))
    return affine(x);
  if (plain_operators == 2 && kind_ == "group") return plain_group_norm(x);
  if (plain_operators == 2 && kind_ == "batch" && !is_training()) return affine(x);
  if (kind_ == "group") {
    // ATen's CPU kernel wants one dtype or its own mixture; the master's precision is used for the
    // statistics.
    return at::group_norm(x.to(weight.scalar_type()), groups_, weight, bias, kEps)
        .to(x.scalar_type());
  }
  // Linearisation reads ATen's own node of the graph and not that of cuDNN, which at::batch_norm
  // takes on a GPU whatever its last argument says.
  if (plain_operators > 0) {
    return std::get<0>(at::native_batch_norm(x, weight, bias, running_mean, running_var,
                                             is_training(), momentum_, kEps));
  }
  return at::batch_norm(x, aligned(weight), aligned(bias), running_mean, running_var, is_training(),
                        momentum_, kEps, /*cudnn_enabled=*/true);
}

}  // namespace unlazy::models
