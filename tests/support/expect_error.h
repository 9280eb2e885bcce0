// Error texts are part of the product: tests pin them to the letter.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "core/error.h"

namespace unlazy::testing {

/// `action` must throw unlazy::Error with exactly this text and kind. Use with SCOPED_TRACE in
/// loops.
inline void expect_error(const std::function<void()>& action, const std::string& text,
                         Error::Kind kind = Error::Kind::kFailed) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()), text);
    EXPECT_EQ(error.kind() == Error::Kind::kMisuse, kind == Error::Kind::kMisuse)
        << "the exit code of: " << text;
    return;
  }
  ADD_FAILURE() << "no error, expected: " << text;
}

/// The same for a request that can never work (exit code 2).
inline void expect_misuse(const std::function<void()>& action, const std::string& text) {
  expect_error(action, text, Error::Kind::kMisuse);
}

}  // namespace unlazy::testing
