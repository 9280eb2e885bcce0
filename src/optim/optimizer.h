// How the parameters move.
// A small interface of our own: torch::optim's parameter groups cannot be wrapped (a SAM around one
// of its optimizers would ignore a schedule), and its update is four launches a parameter where the
// flat buffer needs one pass.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/options.h"
#include "core/registry.h"
#include "optim/flat_parameters.h"

namespace unlazy::optim {

/// --optimizer, --momentum, --nesterov, --weight-decay, --decay, --clip-norm
struct OptimizerOptions {
  std::string name = "sgd";
  double momentum = 0;
  bool nesterov = false;
  double weight_decay = 0;
  std::string decay = "all";  // all, weights
  double clip_norm = 0;       // 0: off
};
OptionTable describe(OptimizerOptions& options);

/// Computes the gradient of the batch at the parameters' present values into
/// FlatParameters::gradients(). `updates_statistics`: whether BatchNorm's running statistics move
/// (false in the second pass of SAM).
using GradientPass = std::function<void(bool updates_statistics)>;

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  /// One update of the parameters. `lr`: a scalar in the master's dtype on the device, so that a
  /// captured step can read it. Never waits for the device.
  virtual void step(const GradientPass& gradient, const at::Tensor& lr) = 0;
  /// What a checkpoint must hold beside the parameters: flat buffers [P] by name. Restored by
  /// copying into them.
  virtual std::vector<std::pair<std::string, at::Tensor>> state() = 0;
};

using MakeOptimizer = std::unique_ptr<Optimizer>(const OptimizerOptions& options,
                                                 FlatParameters& parameters);
const Registry<MakeOptimizer>& registry();
/// Throws a misuse Error for options that exclude each other. `parameters` must outlive the
/// optimizer.
std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options,
                                          FlatParameters& parameters);

/// Scales gradients [P] in place so that their Euclidean norm is at most `max_norm` > 0, as torch's
/// clip_grad_norm_.
void clip_norm_(const at::Tensor& gradients, double max_norm);

}  // namespace unlazy::optim
