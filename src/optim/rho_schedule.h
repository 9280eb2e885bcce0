// Which updates the SAM family perturbs, and with which radius.
//   perturbed  when start <= t < end and t - start is a multiple of the interval
//   constant   rho
//   linear     from rho at the start to rho_end at the end
//   cosine     the same along half a cosine wave
//   lr         rho_end + (rho - rho_end) lr(t) / lr (Zhuang et al. 2022)
#pragma once

#include <cstdint>
#include <string>

#include "optim/schedule.h"
#include "optim/sharpness_options.h"

namespace unlazy::optim {

class RhoSchedule {
 public:
  /// `total_steps` is the length of training. Throws a misuse Error when no step would be
  /// perturbed. `lr` must outlive this.
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
