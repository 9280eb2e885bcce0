#include "linearise/function_space.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/dot.h>
#include <ATen/ops/mv.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "core/error.h"

namespace unlazy::linearise {
namespace {

at::Tensor flat_double(const at::Tensor& t) {
  return t.detach().to(c10::kDouble).contiguous().reshape({-1});
}

}  // namespace

FunctionSpace::FunctionSpace(const Kernel& kernel)
    : num_outputs_(kernel.train_outputs.size(1)),
      kernel_(kernel.train.detach().to(c10::kDouble)),
      start_(flat_double(kernel.train_outputs)) {
  UNLAZY_CHECK(
      kernel_.dim() == 2 && kernel_.size(0) == kernel_.size(1) && kernel_.size(0) == start_.size(0),
      "function space: wanted a kernel [N K, N K] for outputs ", kernel.train_outputs.sizes(),
      ", got ", kernel.train.sizes());
  if (kernel.test.defined()) {
    test_kernel_ = kernel.test.detach().to(c10::kDouble);
    test_start_ = flat_double(kernel.test_outputs);
  }
  alpha_ = at::zeros_like(start_);
  velocity_ = at::zeros_like(start_);
  c_ = at::zeros({}, start_.options());
  velocity_c_ = at::zeros({}, start_.options());
}

void FunctionSpace::set_images_of_start(const at::Tensor& train, const at::Tensor& test) {
  image_ = flat_double(train);
  UNLAZY_CHECK(image_.sizes() == start_.sizes(),
               "function space: wanted J theta0 of shape [N, K], "
               "got ",
               train.sizes());
  if (test.defined()) test_image_ = flat_double(test);
}

void FunctionSpace::set_state(const at::Tensor& alpha, const at::Tensor& shrinkage) {
  alpha_.copy_(alpha.reshape({-1}));
  c_.copy_(shrinkage);
}

at::Tensor FunctionSpace::outputs_at(const at::Tensor& rows) const {
  const auto of = [&](const at::Tensor& t) { return rows.defined() ? t.index_select(0, rows) : t; };
  auto f = at::mv(of(kernel_), alpha_).add_(of(start_));
  if (image_.defined()) f.addcmul_(of(image_), c_);
  return f;
}

void FunctionSpace::step(const FunctionStep& s, const LossGradient& gradient,
                         const at::Tensor& batch) {
  const at::NoGradGuard no_grad;
  UNLAZY_CHECK(s.weight_decay == 0 || image_.defined(),
               "function space: weight decay needs set_images_of_start()");
  at::Tensor rows;  // of K, those of the batch
  if (batch.defined()) {
    const auto classes = at::arange(num_outputs_, batch.options());
    rows = (batch.unsqueeze(1) * num_outputs_ + classes).view({-1});
  }
  const auto residual = [&](const at::Tensor& f) {
    return gradient(f.view({-1, num_outputs_})).to(c10::kDouble).reshape({-1});
  };
  const auto f = outputs_at(rows);
  auto r = residual(f);
  if (s.rho > 0) {
    const auto k = rows.defined() ? kernel_.index_select(0, rows).index_select(1, rows) : kernel_;
    const auto ascent = at::mv(k, r);
    // r = 0 leaves f where it is.
    const auto norm = at::dot(r, ascent).clamp_min(1e-300).sqrt_();
    r = residual(f + ascent * (s.rho / norm));
  }
  // theta's gradient in the coordinates alpha and c; then torch.optim.SGD's update.
  auto g = at::zeros_like(alpha_);
  if (rows.defined()) {
    g.index_add_(0, rows, r);
  } else {
    g.copy_(r);
  }
  auto g_c = at::zeros_like(c_);
  if (s.weight_decay != 0) {
    g.add_(alpha_, s.weight_decay);
    g_c.copy_((c_ + 1) * s.weight_decay);
  }
  if (s.momentum != 0) {
    velocity_.mul_(s.momentum).add_(g);
    velocity_c_.mul_(s.momentum).add_(g_c);
    g = s.is_nesterov ? g.add_(velocity_, s.momentum) : velocity_;
    g_c = s.is_nesterov ? g_c.add_(velocity_c_, s.momentum) : velocity_c_;
  }
  alpha_.sub_(g, s.lr);
  c_.sub_(g_c, s.lr);
}

at::Tensor FunctionSpace::train_outputs() const { return outputs_at({}).view({-1, num_outputs_}); }

at::Tensor FunctionSpace::test_outputs() const {
  UNLAZY_CHECK(test_kernel_.defined(), "function space: the kernel has no test inputs");
  auto f = at::mv(test_kernel_, alpha_).add_(test_start_);
  if (test_image_.defined()) f.addcmul_(test_image_, c_);
  return f.view({-1, num_outputs_});
}

at::Tensor FunctionSpace::distance() const {
  return at::dot(alpha_, at::mv(kernel_, alpha_)).clamp_min(0).sqrt();
}

at::Tensor FunctionSpace::displacement(const Network& network, const at::Tensor& inputs) const {
  const auto result = vjp(network, inputs, [&](const at::Tensor& outputs) {
    return alpha_.view({-1, num_outputs_}).to(outputs.options());
  });
  return result.gradient + network.values() * c_.to(result.gradient.options());
}

}  // namespace unlazy::linearise
