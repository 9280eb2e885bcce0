#include "optim/rho_schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace unlazy::optim {

RhoSchedule::RhoSchedule(const SharpnessOptions& options, const Schedule& lr,
                         int64_t steps_per_epoch, int64_t total_steps)
    : kind_(options.rho_schedule),
      rho_(options.rho),
      rho_end_(options.rho_end),
      interval_(options.interval),
      start_(options.start.in_iterations(steps_per_epoch)),
      end_(options.end.in_iterations(steps_per_epoch)),
      last_(std::min(end_, total_steps)),
      lr_(lr) {
  UNLAZY_CHECK_USAGE(start_ < end_, "sam: --sam-end ", options.end.text(),
                     " is not after --sam-start ", options.start.text(),
                     ", so no step would be perturbed");
}

bool RhoSchedule::is_perturbed(int64_t step) const {
  return step >= start_ && step < end_ && (step - start_) % interval_ == 0;
}

double RhoSchedule::rho(int64_t step) const {
  if (kind_ == "constant") return rho_;
  const double part = std::clamp(static_cast<double>(step - start_) /
                                     static_cast<double>(std::max<int64_t>(1, last_ - start_)),
                                 0.0, 1.0);
  double weight = 1 - part;  // of rho against rho_end
  if (kind_ == "cosine") weight = 0.5 * (1 + std::cos(std::numbers::pi * part));
  if (kind_ == "lr") weight = lr_.peak() > 0 ? lr_.lr(step) / lr_.peak() : 1;
  return rho_end_ + (rho_ - rho_end_) * weight;
}

}  // namespace unlazy::optim
