// Options of the SAM family, and the size of the perturbation as a function of the step.
#pragma once

#include <cstdint>
#include <string>

#include "core/options.h"
#include "optim/schedule.h"

namespace unlazy::optim {

/// --rho, --rho-schedule, --rho-end, --sam-base, --sam-variant, --sam-m, --sam-interval,
/// --sam-start, --sam-end, --asam-eta, --asam-scaling, --gsam-alpha
struct SharpnessOptions {
  double rho = 0.05;
  std::string rho_schedule = "constant";  // constant, linear, cosine, lr
  double rho_end = 0;
  std::string base = "sgd";            // a name of base_registry()
  std::string variant = "normalized";  // normalized, unnormalized
  int64_t group_size = 0;              // m of m-SAM; 0: the whole batch
  int64_t interval = 1;
  Step start = Step::iterations(0);
  Step end = Step::never();
  double eta = 0.01;            // asam
  std::string scaling = "all";  // asam: all, weights
  double alpha = 0.4;           // gsam
};
OptionTable describe(SharpnessOptions& options);

/// Throws a misuse Error when --sam-m does not divide the batch.
void check_group_size(const SharpnessOptions& options, int64_t batch_size);

/// Which updates are perturbed, and how far:
///   perturbed: start <= t < end and t - start a multiple of the interval
///   constant   rho
///   linear     from rho at the start to rho_end at the end
///   cosine     the same along half a cosine wave
///   lr         rho_end + (rho - rho_end) lr(t) / lr (Zhuang et al. 2022)
class RhoSchedule {
 public:
  /// `total_steps`: the length of training. Throws a misuse Error when nothing would be perturbed.
  /// `lr` must outlive it.
  RhoSchedule(const SharpnessOptions& options, const Schedule& lr, int64_t steps_per_epoch,
              int64_t total_steps);
  bool is_perturbed(int64_t step) const;
  double rho(int64_t step) const;

 private:
  std::string kind_;
  double rho_, rho_end_;
  int64_t interval_, start_, end_, last_;
  const Schedule& lr_;
};

}  // namespace unlazy::optim
