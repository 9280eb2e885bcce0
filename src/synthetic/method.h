// A method is a rule: how a step draws its samples and noise, and whether it perturbs the weights.
// The engines can carry out any rule.
//   label-noise-sgd  theta <- theta - lr grad l(f, y + eps), eps drawn at every step (Eq. 3-4)
//   sam              the gradient at theta + rho grad / |grad|, of the same batch and noise
//                    (Foret et al. 2021)
//   oscillation      a follows a Markov chain, W follows full-batch gradient descent (Eq. 6-7)
#pragma once

#include <cstdint>

#include "core/registry.h"
#include "synthetic/options.h"

namespace unlazy::synthetic {

/// What a step does.
struct Rule {
  int64_t batch = 1;           // samples per step; all n for full_batch
  bool is_full_batch = false;  // the exact gradient over the training set, without noise
  bool with_replacement = true;
  double rate = 0;  // lr times 1 (loss 1/2 r^2) or 2 (loss r^2)
  double lr = 0;
  double rho = 0;               // 0: no perturbation
  double sigma = 0;             // 0: no noise
  bool is_gaussian = false;     // else eps = +-sigma
  int64_t period = 0;           // > 0: noise on for `period` steps, then off, and so on
  bool is_oscillation = false;  // Eq. 6-7

  double noise_size(int64_t step) const {
    return period > 0 && (step / period) % 2 == 1 ? 0.0 : sigma;
  }
};

/// A method: the rule of one setting. Throws a misuse Error for options that it does not support.
struct Method {
  double default_sigma = 0, default_rho = 0;
  bool takes_sigma = false, takes_rho = false, takes_batch = false;
  Rule rule;  // what differs from plain SGD
};
using MakeMethod = Method();

const Registry<MakeMethod>& methods();

/// The rule of a run with resolved options and n training samples.
Rule make_rule(const SyntheticOptions& options, const Setting& setting, int64_t n);

}  // namespace unlazy::synthetic
