// The learning rate as a function of the step.
//   constant   lr
//   multistep  lr * gamma^(number of milestones passed)
//   cosine     lr * (1 + cos(pi t / T)) / 2 from the end of the warm-up to the end of training
//              (Loshchilov and Hutter 2017)
// During the warm-up of W steps the rate grows linearly: lr * (t + 1) / W (Goyal et al. 2017).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/options.h"

namespace unlazy::optim {

/// --lr, --lr-schedule, --lr-milestones, --lr-gamma, --lr-warmup
struct ScheduleOptions {
  double lr = 0.1;
  std::string kind = "constant";
  std::vector<Step> milestones = {};
  double gamma = 0.1;
  Step warmup = Step::iterations(0);
};
OptionTable describe(ScheduleOptions& options);

class Schedule {
 public:
  /// `total_steps` is the length of training. Throws a misuse Error for multistep without
  /// milestones, and for milestones that do not increase.
  Schedule(const ScheduleOptions& options, int64_t steps_per_epoch, int64_t total_steps);
  /// The learning rate of the update at `step` (0, 1, ...).
  double lr(int64_t step) const;
  /// The largest rate: --lr.
  double peak() const { return lr_; }

 private:
  std::string kind_;
  double lr_, gamma_;
  std::vector<int64_t> milestones_;
  int64_t warmup_, total_steps_;
};

}  // namespace unlazy::optim
