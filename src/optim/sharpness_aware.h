// The common part of SAM and its relatives: two gradients per update (Foret et al. 2021, Algorithm
// 1).
//   g     <- gradient at w
//   g_adv <- gradient at w + e(g)
//   w     <- base optimizer's update of w with combine(g, g_adv)
// With groups of m samples each group has its own e, and the results are averaged (m-SAM). Weight
// decay, clipping and momentum belong to the base optimizer: e is not affected by them and does not
// affect them.
//
// In bf16 training g is computed in bf16 and g_adv in fp32. A weight in bf16 has 8 significant
// bits, so at the usual radii most of w + e would be rounding: on ResNet-20 with rho 0.01 the
// network would see a perturbation of twice the norm, at a cosine of 0.5 to e. The direction of e
// does not need this precision. GSAM also uses the difference of g and g_adv, so it computes both
// in fp32.
#pragma once

#include <memory>

#include "optim/optimizer.h"

namespace unlazy::optim {

class SharpnessAware : public Optimizer {
 public:
  /// Throws a misuse Error when there is no such base optimizer.
  SharpnessAware(const OptimizerOptions& options, FlatParameters& parameters);

  void step(const GradientPass& gradient, const StepInputs& inputs) override;
  std::vector<std::pair<std::string, at::Tensor>> state() override { return base_->state(); }
  bool uses_master_precision() const override { return true; }

 protected:
  /// Adds e to parameters().values(), given g in gradients().
  virtual void perturb(const at::Tensor& rho) = 0;
  /// Turns g_adv in gradients() into the gradient that the base optimizer uses.
  virtual void combine() {}
  /// Does combine() compare g_adv with g? Then g is computed in the master's precision too.
  virtual bool compares_gradients() const { return false; }
  FlatParameters& parameters() { return parameters_; }

 private:
  void sharp_gradient(const GradientPass& gradient, const StepInputs& inputs);
  void group_gradient(const GradientPass& gradient, const Span& samples, const at::Tensor& rho);

  FlatParameters& parameters_;
  std::unique_ptr<Optimizer> base_;
  int64_t group_size_;
  at::Tensor before_;  // [P] the values to restore, since w + e - e is not exactly w
  at::Tensor sum_;     // [P] sum over groups; undefined without groups
};

/// rho / norm(direction) as a scalar on the device. It is finite even if the direction is 0.
at::Tensor radius_over_norm(const at::Tensor& rho, const at::Tensor& direction);

}  // namespace unlazy::optim
