// The library's only exception type. A message names the component, what was wanted, what was found
// and what to do:
//   sam: rho must be >= 0, got -0.1
//   cifar10: data_batch_3.bin has 1000 bytes, expected 30730000; fetch it again with
//       tools/fetch_cifar10.sh
// The library neither prints nor exits. Only tools/main.cpp catches the exception, prints
// `unlazy: ...` and chooses the exit code.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace unlazy {

/// What went wrong, in words for the user.
class Error : public std::runtime_error {
 public:
  /// kFailed: the work could not be done (exit code 1).
  /// kMisuse: the request was wrong (exit code 2).
  /// kDiverged: training left for infinity (exit code 1). Other runs may go on.
  enum class Kind { kFailed, kMisuse, kDiverged };

  explicit Error(const std::string& message, Kind kind = Kind::kFailed)
      : std::runtime_error(message), kind_(kind) {}
  Kind kind() const { return kind_; }

 private:
  Kind kind_;
};

namespace internal {
template <class... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}
}  // namespace internal

}  // namespace unlazy

/// Throws unlazy::Error with the message `parts` when `condition` is false, because something
/// outside the program is not as it must be.
#define UNLAZY_CHECK(condition, ...)                                                  \
  do {                                                                                \
    if (!(condition)) throw ::unlazy::Error(::unlazy::internal::concat(__VA_ARGS__)); \
  } while (false)

/// The same for a request that can never work (a wrong flag, a value out of range): exit code 2.
#define UNLAZY_CHECK_USAGE(condition, ...)                           \
  do {                                                               \
    if (!(condition))                                                \
      throw ::unlazy::Error(::unlazy::internal::concat(__VA_ARGS__), \
                            ::unlazy::Error::Kind::kMisuse);         \
  } while (false)
