#include "models/fused_norm_cuda.h"

#include "core/error.h"

#ifdef UNLAZY_HAS_CUDA
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>

#include "cuda/norm_launch.h"
#endif

namespace unlazy::models {

#ifdef UNLAZY_HAS_CUDA
namespace {

cuda::NormRunning running(const BatchNormTensors& norm) {
  return {norm.running_mean, norm.running_var, norm.num_batches_tracked, norm.momentum};
}

class FusedBatchNormOnCuda : public torch::autograd::Function<FusedBatchNormOnCuda> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const std::optional<at::Tensor>& maybe_residual,
                            const at::Tensor& weight, const at::Tensor& bias,
                            const BatchNormTensors& norm, bool relu) {
    const auto residual = maybe_residual.value_or(at::Tensor());
    const auto out = cuda::norm_train(x, residual, {weight, bias}, running(norm), norm.eps, relu);
    // Without a residual the mask of the ReLU is computed again from x.
    const auto y = relu && residual.defined() ? out.y : at::Tensor();
    context->save_for_backward(
        torch::autograd::variable_list{x, y, weight, bias, out.mean, out.invstd});
    context->saved_data["relu"] = relu;
    context->saved_data["residual"] = residual.defined();
    return out.y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    check_once_differentiated();
    const auto saved = context->get_saved_variables();
    const auto& x = saved[0];
    const auto dy = gradients[0].to(x.scalar_type()).contiguous(at::MemoryFormat::ChannelsLast);
    const auto out = cuda::norm_backward(dy, {x,
                                              saved[1],
                                              {saved[2], saved[3]},
                                              saved[4],
                                              saved[5],
                                              context->saved_data["residual"].toBool(),
                                              context->saved_data["relu"].toBool()});
    return {out.dx, out.dresidual, out.dweight, out.dbias, at::Tensor(), at::Tensor()};
  }
};

}  // namespace

bool can_fuse_on_cuda(const at::Tensor& x, const BatchNormTensors& norm) {
  for (const auto* t : {&norm.weight, &norm.bias, &norm.running_mean, &norm.running_var}) {
    if (!t->defined() || t->device() != x.device() || t->scalar_type() != c10::kFloat ||
        !t->is_contiguous()) {
      return false;
    }
  }
  const auto& count = norm.num_batches_tracked;
  return (!count.defined() || count.device() == x.device()) && cuda::norm_kernels_agree(x.device());
}

at::Tensor fused_batch_norm_train_on_cuda(const at::Tensor& x, const at::Tensor& residual,
                                          const BatchNormTensors& norm, bool relu) {
  return FusedBatchNormOnCuda::apply(x, residual.defined() ? std::optional(residual) : std::nullopt,
                                     norm.weight, norm.bias, norm, relu);
}

at::Tensor fused_batch_norm_eval_on_cuda(const at::Tensor& x, const at::Tensor& residual,
                                         const BatchNormTensors& norm, bool relu) {
  const at::NoGradGuard no_grad;
  return cuda::norm_eval(x, residual, {norm.weight, norm.bias}, running(norm), norm.eps, relu);
}
#else
bool can_fuse_on_cuda(const at::Tensor&, const BatchNormTensors&) { return false; }

at::Tensor fused_batch_norm_train_on_cuda(const at::Tensor&, const at::Tensor&,
                                          const BatchNormTensors&, bool) {
  UNLAZY_CHECK(false, "fused norm: built without CUDA");
}
at::Tensor fused_batch_norm_eval_on_cuda(const at::Tensor&, const at::Tensor&,
                                         const BatchNormTensors&, bool) {
  UNLAZY_CHECK(false, "fused norm: built without CUDA");
}
#endif

}  // namespace unlazy::models
