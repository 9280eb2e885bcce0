// Adam with decoupled weight decay (Loshchilov and Hutter 2019), as torch.optim.AdamW:
//   w <- w (1 - lr * weight_decay)
//   m <- beta1 m + (1 - beta1) g
//   v <- beta2 v + (1 - beta2) g^2
//   w <- w - lr * m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)       t = 1, 2, ..
// with g the clipped gradient. One fused pass over the flat buffers, or two when only the weights
// are decayed. The counter t is a scalar on the device, so that a captured step counts on.
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/zeros.h>

#include "core/error.h"
#include "optim/optimizer.h"

namespace unlazy::optim {
namespace {

class AdamW : public Optimizer {
 public:
  AdamW(const OptimizerOptions& options, FlatParameters& parameters)
      : options_(options),
        parameters_(parameters),
        mean_(parameters.zeros_like_values()),
        square_(parameters.zeros_like_values()),
        count_(at::zeros({}, parameters.values().options().dtype(c10::kFloat))) {
    UNLAZY_CHECK_USAGE(options.momentum == 0 && !options.nesterov,
                       "adamw: --momentum and --nesterov are for sgd; use --adam-beta1");
  }

  void step(const GradientPass& gradient, const StepInputs& inputs) override {
    gradient(/*updates_statistics=*/true, {0, inputs.batch_size});
    if (options_.clip_norm > 0) clip_norm_(parameters_.gradients(), options_.clip_norm);
    count_.add_(1);
    const int64_t num_decayed =
        options_.decay == "weights" ? parameters_.num_weights() : parameters_.size();
    update(0, num_decayed, options_.weight_decay, inputs.lr);
    update(num_decayed, parameters_.size(), 0, inputs.lr);
    parameters_.publish();
  }

  std::vector<std::pair<std::string, at::Tensor>> state() override {
    return {{"adam-mean", mean_}, {"adam-square", square_}, {"adam-count", count_}};
  }

 private:
  void update(int64_t begin, int64_t end, double weight_decay, const at::Tensor& lr) {
    if (begin == end) return;
    const auto part = [&](const at::Tensor& flat) { return flat.narrow(0, begin, end - begin); };
    // The CUDA kernel reads the rate in fp32, also where the parameters are fp64.
    const auto rate = lr.is_cuda() ? lr.to(c10::kFloat) : lr;
    at::_fused_adamw_({part(parameters_.values())}, {part(parameters_.gradients())}, {part(mean_)},
                      {part(square_)}, /*max_exp_avg_sqs=*/{}, {count_}, rate, options_.adam_beta1,
                      options_.adam_beta2, weight_decay, options_.adam_eps, /*amsgrad=*/false,
                      /*maximize=*/false);
  }

  OptimizerOptions options_;
  FlatParameters& parameters_;
  at::Tensor mean_, square_;  // [P]
  at::Tensor count_;          // scalar fp32, the dtype that the fused kernels take
};

}  // namespace

std::unique_ptr<Optimizer> make_adamw(const OptimizerOptions& options, FlatParameters& parameters) {
  return std::make_unique<AdamW>(options, parameters);
}

}  // namespace unlazy::optim
