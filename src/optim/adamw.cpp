// Adam with decoupled weight decay (Loshchilov and Hutter 2019), as torch.optim.AdamW, where g is
// the clipped gradient and t = 1, 2, ..:
//   w <- w (1 - lr * weight_decay)
//   m <- beta1 m + (1 - beta1) g
//   v <- beta2 v + (1 - beta2) g^2
//   w <- w - lr * m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)
// One fused pass over the flat buffers, or two when only the weights are decayed. The counter t is
// a scalar on the device, so that a captured step continues to count.
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/zeros.h>

#include "optim/gradient_step.h"

namespace unlazy::optim {
namespace {

class AdamW : public GradientStep {
 public:
  AdamW(const OptimizerOptions& options, FlatParameters& parameters)
      : GradientStep(options, parameters),
        mean_(parameters.zeros_like_values()),
        square_(parameters.zeros_like_values()),
        count_(at::zeros({}, parameters.values().options().dtype(c10::kFloat))) {}

  std::vector<std::pair<std::string, at::Tensor>> state() override {
    return {{"adam-mean", mean_}, {"adam-square", square_}, {"adam-count", count_}};
  }

 private:
  void begin_step() override { count_.add_(1); }

  void update(const Span& places, double weight_decay, const at::Tensor& lr) override {
    at::_fused_adamw_({places.of(parameters_.values())}, {places.of(parameters_.gradients())},
                      {places.of(mean_)}, {places.of(square_)}, /*max_exp_avg_sqs=*/{}, {count_},
                      lr, options_.adam_beta1, options_.adam_beta2, weight_decay, options_.adam_eps,
                      /*amsgrad=*/false,
                      /*maximize=*/false);
  }

  at::Tensor mean_, square_;  // [P]
  at::Tensor count_;          // scalar fp32, the dtype that the fused kernels take
};

}  // namespace

std::unique_ptr<Optimizer> make_adamw(const OptimizerOptions& options, FlatParameters& parameters) {
  return std::make_unique<AdamW>(options, parameters);
}

}  // namespace unlazy::optim
