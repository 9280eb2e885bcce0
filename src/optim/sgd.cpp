// Stochastic gradient descent, as torch.optim.SGD (dampening 0):
//   g <- clip(gradient) + weight_decay * w
//   v <- momentum * v + g
//   w <- w - lr * (v, or g + momentum * v for Nesterov, or g without momentum)
// One fused pass over the flat buffers, or two when only the weights are decayed. On a GPU one pass
// of our own, which also publishes the result (cuda/update_launch.h).
#include <ATen/TensorOperators.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_vector_norm.h>

#include "core/error.h"
#include "optim/gradient_step.h"

#ifdef UNLAZY_HAS_CUDA
#include "cuda/update_launch.h"
#endif

namespace unlazy::optim {
namespace {

class Sgd : public GradientStep {
 public:
  Sgd(const OptimizerOptions& options, FlatParameters& parameters)
      : GradientStep(options, parameters) {
    UNLAZY_CHECK_USAGE(!options.nesterov || options.momentum > 0,
                       "sgd: --nesterov needs --momentum above 0");
    if (options.momentum > 0) velocity_ = parameters.zeros_like_values();
#ifdef UNLAZY_HAS_CUDA
    const auto device = parameters.values().device();
    has_kernel_ = device.is_cuda() && cuda::updates_agree(device);
#endif
  }

  std::vector<std::pair<std::string, at::Tensor>> state() override {
    if (!velocity_.defined()) return {};
    return {{"momentum", velocity_}};
  }

 private:
#ifdef UNLAZY_HAS_CUDA
  bool update_in_one_pass(int64_t decayed, const at::Tensor& lr) override {
    if (!has_kernel_ || !lr.is_cuda()) return false;
    cuda::sgd_update({parameters_.values(), parameters_.gradients(), velocity_, parameters_.mask(),
                      parameters_.published()},
                     {options_.weight_decay, options_.momentum, options_.nesterov, decayed}, lr);
    return true;
  }
  bool has_kernel_ = false;
#endif

  void update(const Span& places, double weight_decay, const at::Tensor& lr) override {
    std::vector<at::Tensor> velocity;
    if (velocity_.defined()) velocity.push_back(places.of(velocity_));
    // The velocity starts at 0, so the first step needs no case of its own.
    at::_fused_sgd_({places.of(parameters_.values())}, {places.of(parameters_.gradients())},
                    velocity, weight_decay, options_.momentum, lr, /*dampening=*/0,
                    options_.nesterov,
                    /*maximize=*/false,
                    /*is_first_step=*/false);
  }

  at::Tensor velocity_;
};

}  // namespace

void clip_norm_(const at::Tensor& gradients, double max_norm) {
  const auto norm = at::linalg_vector_norm(gradients);
  gradients.mul_((max_norm / (norm + 1e-6)).clamp_max(1.0));
}

std::unique_ptr<Optimizer> make_sgd(const OptimizerOptions& options, FlatParameters& parameters) {
  return std::make_unique<Sgd>(options, parameters);
}

}  // namespace unlazy::optim
