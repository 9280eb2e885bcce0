#include "optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace unlazy::optim {

OptionTable describe(ScheduleOptions& o) {
  return {"Learning rate",
          {{.name = "lr",
            .target = &o.lr,
            .range = Range::at_least(0),
            .help = "Learning rate (after the warm-up).",
            .is_common = true},
           {.name = "lr-schedule",
            .target = &o.kind,
            .help = "How the learning rate changes.",
            .choices = {{"constant", "not at all"},
                        {"multistep", "times --lr-gamma at each of --lr-milestones"},
                        {"cosine", "half a cosine wave down to 0 at the end of training"}},
            .is_common = true},
           {.name = "lr-milestones",
            .target = &o.milestones,
            .help = "When multistep lowers the rate, such as 80ep,120ep.",
            .only_for = {{"lr-schedule", {"multistep"}}}},
           {.name = "lr-gamma",
            .target = &o.gamma,
            .range = Range::above(0),
            .help = "Factor by which multistep multiplies the rate.",
            .only_for = {{"lr-schedule", {"multistep"}}}},
           {.name = "lr-warmup",
            .target = &o.warmup,
            .range = Range::closed(0, Step::kMost),
            .help = "Length of the linear warm-up from 0."}}};
}

Schedule::Schedule(const ScheduleOptions& options, int64_t steps_per_epoch, int64_t total_steps)
    : kind_(options.kind),
      lr_(options.lr),
      gamma_(options.gamma),
      warmup_(options.warmup.in_iterations(steps_per_epoch)),
      total_steps_(total_steps) {
  for (const auto& milestone : options.milestones)
    milestones_.push_back(milestone.in_iterations(steps_per_epoch));
  UNLAZY_CHECK_USAGE(
      kind_ != "multistep" || !milestones_.empty(),
      "learning rate: --lr-schedule multistep needs --lr-milestones, such as 80ep,120ep");
  UNLAZY_CHECK_USAGE(std::is_sorted(milestones_.begin(), milestones_.end()),
                     "learning rate: --lr-milestones must be in increasing order");
}

double Schedule::lr(int64_t step) const {
  if (step < warmup_) return lr_ * static_cast<double>(step + 1) / static_cast<double>(warmup_);
  if (kind_ == "multistep") {
    const auto passed =
        std::upper_bound(milestones_.begin(), milestones_.end(), step) - milestones_.begin();
    return lr_ * std::pow(gamma_, static_cast<double>(passed));
  }
  if (kind_ == "cosine") {
    const double part = static_cast<double>(step - warmup_) /
                        static_cast<double>(std::max<int64_t>(1, total_steps_ - warmup_));
    return lr_ * 0.5 * (1 + std::cos(std::numbers::pi * std::min(1.0, part)));
  }
  return lr_;
}

}  // namespace unlazy::optim
