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

  /// Reads "2000it", "160ep", "0.5ep" or "never". Throws a misuse Error naming `what` for anything
  /// else and for negative numbers.
  static Step parse(std::string_view text, std::string_view what);

  /// The same length in iterations, given `steps_per_epoch` >= 1; fractions of an epoch are rounded
  /// to the nearest iteration; never() is the largest int64.
  int64_t in_iterations(int64_t steps_per_epoch) const;

  bool is_never() const { return is_never_; }
  /// As the user would write it; parse(text()) gives the same Step.
  std::string text() const;
  bool operator==(const Step&) const = default;

 private:
  double count_ = 0;
  bool is_epochs_ = false;
  bool is_never_ = false;
};

}  // namespace unlazy
