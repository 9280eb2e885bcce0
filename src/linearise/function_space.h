// Training the linearised network without its weights.
// With any optimizer that follows gradients J^T r (r = dloss/df on a batch), the parameters stay at
//   theta = (1 + c) theta0 + J^T alpha,      f = f0 + K alpha + c q,   q = J theta0.
// So a step only changes alpha [N K] and the scalar c, and this is exact. One read of the rows of K
// that belong to the batch replaces two passes through the network. c changes only with weight
// decay. SAM reads K twice:
//   f_adv = f + rho K r / sqrt(r^T K r).
// Everything is in fp64: the state is small, and the condition number of K is large. f is computed
// from the state each time, so its rounding errors do not add up.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "linearise/kernel.h"
#include "linearise/network.h"

namespace unlazy::linearise {

/// dloss/df [B, K] at the outputs [B, K] of the batch, including the mean over the batch, in fp64.
using LossGradient = std::function<at::Tensor(const at::Tensor& outputs)>;

/// As torch.optim.SGD, after SAM's ascent step (Foret et al. 2021). The defaults do nothing.
struct FunctionStep {
  double lr = 0;
  double momentum = 0;  // [0, 1]
  bool is_nesterov = false;
  double weight_decay = 0;  // needs the images of theta0; not part of SAM's ascent direction
  double rho = 0;           // >= 0
};

class FunctionSpace {
 public:
  /// `kernel` must be taken at theta0, whose outputs are f0. Kept in fp64 on its device.
  explicit FunctionSpace(const Kernel& kernel);
  /// Needed for weight decay: q = J theta0 on train [N, K] and test inputs [M, K] (linearise::jvp
  /// at theta0 with tangent theta0).
  void set_images_of_start(const at::Tensor& train, const at::Tensor& test = {});

  /// One step on the training samples `batch` [B] (int64, on the device), or on all if undefined.
  /// Never waits for the device.
  void step(const FunctionStep& step, const LossGradient& gradient, const at::Tensor& batch = {});

  /// The current f_lin [N, K], [M, K] in fp64.
  at::Tensor train_outputs() const;
  at::Tensor test_outputs() const;

  /// The state: theta - theta0 = J^T alpha + c theta0.
  const at::Tensor& alpha() const { return alpha_; }  // [N, K]
  const at::Tensor& shrinkage() const { return c_; }  // c, a scalar <= 0 under weight decay
  void set_state(const at::Tensor& alpha, const at::Tensor& shrinkage);
  /// |theta - theta0|, a scalar, computed from K alone. Not with weight decay.
  at::Tensor distance() const;
  /// theta - theta0 [P], by one pass through `network` at theta0 on the training inputs.
  at::Tensor displacement(const Network& network, const at::Tensor& inputs) const;

 private:
  at::Tensor outputs_at(const at::Tensor& batch) const;  // [B K]

  int64_t num_outputs_;
  at::Tensor kernel_, test_kernel_;  // [N K, N K], [M K, N K]
  at::Tensor start_, test_start_;    // f0, flat
  at::Tensor image_, test_image_;    // q, flat; undefined: no weight decay
  at::Tensor alpha_, velocity_;      // [N K]
  at::Tensor c_, velocity_c_;        // scalars
  bool has_velocity_ = false;
};

}  // namespace unlazy::linearise
