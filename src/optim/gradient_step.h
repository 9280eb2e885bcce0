// The common part of the base optimizers: get the gradient, clip it, update the parameters with and
// without weight decay, and make the result visible to the network.
#pragma once

#include "optim/optimizer.h"

namespace unlazy::optim {

class GradientStep : public Optimizer {
 public:
  GradientStep(const OptimizerOptions& options, FlatParameters& parameters)
      : options_(options), parameters_(parameters) {}

  void step(const GradientPass& gradient, const StepInputs& inputs) final {
    gradient(/*updates_statistics=*/true, {0, inputs.batch_size});
    if (options_.clip_norm > 0) clip_norm_(parameters_.gradients(), options_.clip_norm);
    begin_step();
    // The CUDA kernels read the rate in fp32, also where the parameters are fp64.
    const auto lr = inputs.lr.is_cuda() ? inputs.lr.to(c10::kFloat) : inputs.lr;
    const int64_t decayed =
        options_.decay == "weights" ? parameters_.num_weights() : parameters_.size();
    if (update_in_one_pass(decayed, inputs.lr)) return;
    if (decayed > 0) update({0, decayed}, options_.weight_decay, lr);
    if (decayed < parameters_.size()) update({decayed, parameters_.size()}, 0, lr);
    parameters_.publish();
  }

 protected:
  /// Called once per step, before the updates.
  virtual void begin_step() {}
  /// Updates all parameters, with weight decay on the first `decayed`, and publishes them; or does
  /// nothing and returns false, where there is no kernel that does.
  virtual bool update_in_one_pass(int64_t /*decayed*/, const at::Tensor& /*lr*/) { return false; }
  /// Updates these positions of the flat buffers.
  virtual void update(const Span& places, double weight_decay, const at::Tensor& lr) = 0;

  OptimizerOptions options_;
  FlatParameters& parameters_;
};

}  // namespace unlazy::optim
