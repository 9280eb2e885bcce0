// Wall time.
#pragma once

#include <chrono>

namespace unlazy {

/// Seconds since it was made, and those `before`.
class Stopwatch {
 public:
  explicit Stopwatch(double before = 0) : before_(before) {}
  double seconds() const {
    return before_ +
           std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }

 private:
  double before_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace unlazy
