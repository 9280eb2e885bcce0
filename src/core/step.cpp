#include "core/step.h"

#include <charconv>
#include <cmath>

#include "core/error.h"
#include "core/format.h"

namespace unlazy {

Step Step::iterations(int64_t count) {
  Step step;
  step.count_ = static_cast<double>(count);
  return step;
}

Step Step::epochs(double count) {
  Step step;
  step.count_ = count;
  step.is_epochs_ = true;
  return step;
}

Step Step::never() {
  Step step;
  step.is_never_ = true;
  return step;
}

Step Step::parse(std::string_view text, std::string_view what) {
  if (text == "never") return never();
  Step step;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), step.count_);
  const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  step.is_epochs_ = unit == "ep";
  const bool is_whole = step.is_epochs_ || step.count_ == std::floor(step.count_);
  UNLAZY_CHECK_USAGE(
      error == std::errc{} && (unit == "ep" || unit == "it") && is_whole &&
          std::isfinite(step.count_) && step.count_ >= 0,
      what, " must be a length such as 160ep (epochs), 2000it (iterations) or never, got '", text,
      "'");
  UNLAZY_CHECK_USAGE(step.count_ <= kMost, what, " must be at most ", number_text(kMost),
                     " epochs or iterations, or never, got '", text, "'");
  return step;
}

int64_t Step::in_iterations(int64_t steps_per_epoch) const {
  constexpr double kTooMany = 9.2e18;  // an int64 holds a little more
  if (is_never_) return std::numeric_limits<int64_t>::max();
  const double count = is_epochs_ ? count_ * static_cast<double>(steps_per_epoch) : count_;
  UNLAZY_CHECK_USAGE(count < kTooMany, "a length of ", text(), " with ", steps_per_epoch,
                     " iterations an epoch is too long to be counted; use a shorter one, or never");
  return std::llround(count);
}

std::string Step::text() const {
  if (is_never_) return "never";
  return number_text(count_) + (is_epochs_ ? "ep" : "it");
}

}  // namespace unlazy
