// The interface of an optimizer, which updates the parameters.
// We do not use torch::optim. SAM cannot be wrapped around one of its optimizers without ignoring
// schedules, because of their parameter groups. And its update launches four kernels per parameter,
// where the flat buffer needs one pass.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/options.h"
#include "core/registry.h"
#include "core/span.h"
#include "optim/flat_parameters.h"
#include "optim/sharpness_options.h"

namespace unlazy::optim {

/// --optimizer, --momentum, --nesterov, --weight-decay, --decay, --clip-norm, --adam-beta1, ...
struct OptimizerOptions {
  std::string name = "sgd";
  double momentum = 0;
  bool nesterov = false;
  double weight_decay = 0;
  std::string decay = "all";  // all, weights
  double clip_norm = 0;       // 0: off
  double adam_beta1 = 0.9;    // adamw
  double adam_beta2 = 0.999;
  double adam_eps = 1e-8;
  SharpnessOptions sharpness = {};  // for sam, asam and gsam; described by a table of its own
};
OptionTable describe(OptimizerOptions& options);

/// Computes the gradient of the mean loss over `samples` of the batch at the present values of the
/// parameters, into FlatParameters::gradients(). `updates_statistics`: do BatchNorm's running
/// statistics change, and do the samples count in the training curves? (false in SAM's second pass)
using GradientPass = std::function<void(bool updates_statistics, const Span& samples)>;

/// What changes from update to update. The tensors are scalars on the device, in the dtype of the
/// master buffer, so that a captured step can read them. The rest decides which operations run.
struct StepInputs {
  at::Tensor lr;
  at::Tensor rho;             // radius of SAM's perturbation; other optimizers do not read it
  bool is_perturbed = false;  // false: a SAM optimizer takes a step of its base optimizer
  int64_t batch_size = 1;
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  /// One update of the parameters. Never waits for the device.
  virtual void step(const GradientPass& gradient, const StepInputs& inputs) = 0;
  /// What a checkpoint must hold besides the parameters, by name: flat buffers [P], and scalars
  /// such as a count of steps. A checkpoint is restored by copying into them.
  virtual std::vector<std::pair<std::string, at::Tensor>> state() = 0;
  /// Does it compute gradients in FlatParameters::MasterPrecision? Then the batch must be in that
  /// precision too.
  virtual bool uses_master_precision() const { return false; }
};

using MakeOptimizer = std::unique_ptr<Optimizer>(const OptimizerOptions& options,
                                                 FlatParameters& parameters);
/// The base optimizers, which need one gradient per update. SAM can be wrapped around any of them.
const Registry<MakeOptimizer>& base_registry();
/// All optimizers: the base optimizers and the SAM family.
const Registry<MakeOptimizer>& registry();
/// Does `optimizer` belong to the SAM family, which uses rho?
bool is_sharpness_aware(const std::string& optimizer);
std::vector<std::string> sharpness_aware_optimizers();
/// Throws a misuse Error for options that exclude each other. `parameters` must outlive the
/// optimizer.
std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options,
                                          FlatParameters& parameters);

/// Scales gradients [P] in place so that their Euclidean norm is at most `max_norm` > 0, as torch's
/// clip_grad_norm_.
void clip_norm_(const at::Tensor& gradients, double max_norm);

}  // namespace unlazy::optim
