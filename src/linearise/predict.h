// Training of the linearised network in closed form, and by an ODE for losses without a closed
// form. For the loss 0.5 * mean over the n = N K entries of (f - y)^2, with K = V diag(lambda) V^T
// and s = eta / n:
//   gradient flow   f(t) = f0 + V expm1(-lambda s t) V^T (f0 - y)
//   descent         f(S) = f0 + V ((1 - s lambda)^S - 1) V^T (f0 - y)
//   test points     K_test V times the same factor / lambda
// (Lee et al. 2019; neural-tangents' predict.gradient_descent_mse with its learning_rate.) Results
// are returned as alpha, f = f0 + K alpha, so that FunctionSpace::set_state gives train outputs,
// test outputs and parameters from it.
#pragma once

#include <ATen/core/Tensor.h>

#include "linearise/function_space.h"
#include "linearise/kernel.h"

namespace unlazy::linearise {

class MsePrediction {
 public:
  /// `outputs` f0 and `targets` y, [N, K]. Needs one eigendecomposition. Throws as spectrum() does.
  MsePrediction(const at::Tensor& kernel, const at::Tensor& outputs, const at::Tensor& targets);

  /// alpha [N, K] of gradient flow at time `t` >= 0 with learning rate `lr`. Infinity is the end of
  /// training.
  at::Tensor flow(double lr, double t) const;
  /// alpha after `steps` >= 0 steps of gradient descent with `lr`.
  at::Tensor descent(double lr, int64_t steps) const;

 private:
  at::Tensor alpha(const at::Tensor& factor_over_lambda) const;

  at::Tensor eigenvalues_, eigenvectors_, residual_;  // residual: V^T (f0 - y)
  int64_t num_outputs_;
};

/// alpha [N, K] of the flow df/dt = -lr K dloss/df from alpha = 0 up to time `t`, for any loss:
/// Dormand-Prince 5(4) with steps chosen for the relative error `tolerance`, > 0. Throws an Error
/// if the steps become too small.
at::Tensor integrate_flow(const Kernel& kernel, const LossGradient& gradient, double lr, double t,
                          double tolerance = 1e-9);

}  // namespace unlazy::linearise
