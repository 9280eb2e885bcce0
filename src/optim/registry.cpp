#include "core/error.h"
#include "optim/optimizer.h"

namespace unlazy::optim {

MakeOptimizer make_sgd, make_adamw, make_sam, make_asam, make_gsam;

const Registry<MakeOptimizer>& base_registry() {
  static const Registry<MakeOptimizer> optimizers(
      "base optimizer",
      {
          {"sgd", "stochastic gradient descent with momentum, as torch.optim.SGD", make_sgd},
          {"adamw", "Adam with decoupled weight decay, as torch.optim.AdamW", make_adamw},
      });
  return optimizers;
}

const Registry<MakeOptimizer>& registry() {
  static const Registry<MakeOptimizer> optimizers("optimizer", [] {
    auto entries = base_registry().entries();
    entries.insert(entries.end(),
                   {
                       {"sam", "sharpness-aware minimisation around --sam-base", make_sam},
                       {"asam", "SAM in a neighbourhood scaled by the weights", make_asam},
                       {"gsam", "SAM that also closes the surrogate gap", make_gsam},
                   });
    return entries;
  }());
  return optimizers;
}

bool is_sharpness_aware(const std::string& optimizer) {
  for (const auto& entry : base_registry().entries()) {
    if (entry.name == optimizer) return false;
  }
  return true;
}

std::vector<std::string> sharpness_aware_optimizers() {
  std::vector<std::string> names;
  for (const auto& entry : registry().entries()) {
    if (is_sharpness_aware(entry.name)) names.push_back(entry.name);
  }
  return names;
}

OptionTable describe(OptimizerOptions& o) {
  const std::vector<OnlyFor> with_sgd = {{"optimizer", {"sgd"}}, {"sam-base", {"sgd"}}};
  const std::vector<OnlyFor> with_adamw = {{"optimizer", {"adamw"}}, {"sam-base", {"adamw"}}};
  return {
      "Optimizer",
      {{.name = "optimizer",
        .target = &o.name,
        .help = "The update rule.",
        .choices = registry().choices(),
        .is_common = true},
       {.name = "momentum",
        .target = &o.momentum,
        .range = Range::closed(0, 1),
        .help = "Momentum.",
        .only_for = with_sgd,
        .is_common = true},
       {.name = "nesterov",
        .target = &o.nesterov,
        .help = "Nesterov's momentum.",
        .only_for = with_sgd},
       {.name = "weight-decay",
        .target = &o.weight_decay,
        .range = Range::at_least(0),
        .help =
            "sgd: L2 coefficient, added to the gradient as weight_decay * w. adamw: decoupled, w "
            "shrinks by the factor 1 - lr * weight_decay.",
        .is_common = true},
       {.name = "decay",
        .target = &o.decay,
        .help = "What --weight-decay acts on.",
        .choices = {{"all", "every parameter, as PyTorch"},
                    {"weights",
                     "convolution and linear weights, not biases or normalisation layers"}}},
       {.name = "clip-norm",
        .target = &o.clip_norm,
        .range = Range::at_least(0),
        .help =
            "Scale the gradient of an update down to this norm if it is larger; 0: no clipping."},
       {.name = "adam-beta1",
        .target = &o.adam_beta1,
        .range = Range::right_open(0, 1),
        .help = "adamw: decay of the mean of gradients.",
        .only_for = with_adamw},
       {.name = "adam-beta2",
        .target = &o.adam_beta2,
        .range = Range::right_open(0, 1),
        .help = "adamw: decay of the mean of squared gradients.",
        .only_for = with_adamw},
       {.name = "adam-eps",
        .target = &o.adam_eps,
        .range = Range::above(0),
        .help = "adamw: added to the root of the mean square.",
        .only_for = with_adamw}}};
}

std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options,
                                          FlatParameters& parameters) {
  return registry().find(options.name).make(options, parameters);
}

}  // namespace unlazy::optim
