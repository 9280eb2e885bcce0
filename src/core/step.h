// A length of training as a user writes it: "160ep", "2000it", "0.5ep", "never".
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace unlazy {

/// A number of iterations (update steps) or epochs (passes over the training set).
class Step {
 public:
  static Step iterations(int64_t count);
  static Step epochs(double count);
  static Step never();
  /// The greatest number of iterations or epochs that can be written.
  static constexpr double kMost = 1e12;

  /// Reads "2000it", "160ep", "0.5ep" or "never". Throws a misuse Error naming `what` for anything
  /// else, for negative numbers, and above kMost.
  static Step parse(std::string_view text, std::string_view what);

  /// The same length in iterations, given `steps_per_epoch` >= 1; fractions of an epoch are rounded
  /// to the nearest iteration; never() is the largest int64. Throws a misuse Error for a length
  /// that an int64 cannot hold.
  int64_t in_iterations(int64_t steps_per_epoch) const;

  bool is_never() const { return is_never_; }
  /// The number as it was written, in epochs or iterations; infinity for never().
  double count() const { return is_never_ ? std::numeric_limits<double>::infinity() : count_; }
  /// As the user would write it; parse(text()) gives the same Step.
  std::string text() const;
  bool operator==(const Step&) const = default;

 private:
  double count_ = 0;
  bool is_epochs_ = false;
  bool is_never_ = false;
};

}  // namespace unlazy
