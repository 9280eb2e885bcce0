// Lazy or rich (Figures 3 and 5). For each seed, four runs from one initialisation on the same
// images:
//   clean             gradient descent
//   perturbed         the same with label noise, with SAM, or with both
//   linear            the network linearised at initialisation
//   linear-perturbed  the linearised network under the same label noise (draw for draw) or SAM
// The paper draws the first three. The fourth separates the noise's own effect on the loss from the
// effect of leaving the lazy regime.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/options.h"
#include "experiments/lazy_statements.h"
#include "report/figure.h"
#include "train/experiment.h"
#include "train/loop.h"

namespace unlazy::experiments {

/// --seeds, --lr-fraction, --linear-space, --ntk-memory
struct CompareOptions {
  std::vector<int64_t> seeds = {0};
  double lr_fraction = 0.8;           // of the largest stable learning rate; 0: uses --lr
  std::string linear_space = "auto";  // function, weight
  int64_t ntk_memory = 1024;          // MiB
  report::DrawOptions draw;           // described by a table of its own
};
OptionTable describe(CompareOptions& options);
/// These and those of training that a comparison has.
std::vector<OptionTable> comparison_tables(CompareOptions& options, train::TrainOptions& train);

/// Throws the misuse Errors of compare_lazy() that depend on the options alone: neither noise nor
/// SAM, seeds that repeat, and a measurement that the figure needs and --measure lacks.
void check_comparison(const CompareOptions& options, const train::TrainOptions& train);

/// The clean run of a comparison: without noise, and with the base optimizer in place of SAM.
train::TrainOptions without_perturbation(train::TrainOptions options);
/// The linearised run of `options` in weight space, without what measures nothing there.
train::TrainOptions in_weight_space(train::TrainOptions options);

struct Comparison {
  std::vector<Statement> statements;
  std::vector<int64_t> seeds;                             // those that did not diverge
  std::vector<double> lr;                                 // one for each of them
  std::vector<std::pair<int64_t, std::string>> diverged;  // seeds that are left out, and why
  train::Outcome outcome = train::Outcome::kDone;
};

/// Runs OUT/seedS/{clean,noise|sam,linear,linear-noise|linear-sam}, and writes
/// OUT/figures/NAME.{csv,gp} and OUT/statements.json. With train.run.resume, finished runs and kernels are
/// used as they are. A seed of which a run diverges is left out, unless it is the only one. Throws a
/// misuse Error when `train` names neither noise nor SAM.
Comparison compare_lazy(const CompareOptions& options, const train::TrainOptions& train,
                        const std::string& out, const std::string& name, const train::Hooks& hooks);

}  // namespace unlazy::experiments
