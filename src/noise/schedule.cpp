// When the noise is on and how large it is:
//   factor(t) = 0                           for t < start, for t >= end, and in every second period
//                                           after `start`
//             = min(1, (t - start) / ramp)  otherwise
#include <algorithm>

#include "core/error.h"
#include "noise/label_noise.h"

namespace unlazy::noise {

NoiseSchedule::NoiseSchedule(const NoiseOptions& options, int64_t steps_per_epoch)
    : start_(options.start.in_iterations(steps_per_epoch)),
      end_(options.end.in_iterations(steps_per_epoch)),
      ramp_(options.ramp.in_iterations(steps_per_epoch)),
      period_(options.period.in_iterations(steps_per_epoch)) {
  UNLAZY_CHECK_USAGE(start_ < end_, "noise: --noise-end ", options.end.text(),
                     " is not after --noise-start ", options.start.text(),
                     ", so there would be no noise");
  UNLAZY_CHECK_USAGE(period_ > 0, "noise: --noise-period must be at least one step, got ",
                     options.period.text());
  UNLAZY_CHECK_USAGE(!options.ramp.is_never(),
                     "noise: --noise-ramp never leaves no noise; use a length such as 10ep");
}

double NoiseSchedule::factor(int64_t step) const {
  if (step < start_ || step >= end_) return 0;
  const int64_t elapsed = step - start_;
  if (elapsed / period_ % 2 == 1) return 0;
  if (elapsed >= ramp_) return 1;
  return static_cast<double>(elapsed) / static_cast<double>(ramp_);
}

}  // namespace unlazy::noise
