#include "core/step.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "support/expect_error.h"

namespace unlazy {
namespace {

TEST(StepLength, ReadsEpochsIterationsAndNever) {
  EXPECT_EQ(Step::parse("160ep", "--epochs").in_iterations(391), 160 * 391);
  EXPECT_EQ(Step::parse("2000it", "--epochs").in_iterations(391), 2000);
  EXPECT_EQ(Step::parse("0.5ep", "--epochs").in_iterations(391), 196);
  EXPECT_TRUE(Step::parse("never", "--epochs").is_never());
}

TEST(StepLength, TextReadsBack) {
  for (const char* text : {"160ep", "2000it", "0.5ep", "never", "0it"}) {
    EXPECT_EQ(Step::parse(text, "x").text(), text);
  }
}

TEST(StepLength, RefusesOtherWords) {
  for (const char* text : {"", "160", "ep", "-1ep", "1.5it", "160epochs", "nanep", "infep"}) {
    try {
      Step::parse(text, "--epochs");
      FAIL() << text;
    } catch (const Error& error) {
      EXPECT_EQ(
          std::string(error.what()),
          "--epochs must be a length such as 160ep (epochs), 2000it (iterations) or never, got '" +
              std::string(text) + "'");
    }
  }
}

// What an int64 of iterations cannot hold would wrap around.
TEST(StepLength, RefusesWhatCannotBeCounted) {
  for (const char* text : {"1e30ep", "1e30it", "1000000000001ep"}) {
    testing::expect_misuse([&] { Step::parse(text, "--epochs"); },
                           "--epochs must be at most 1e+12 epochs or iterations, or never, got '" +
                               std::string(text) + "'");
  }
  EXPECT_EQ(Step::parse("1e12it", "x").in_iterations(7), 1'000'000'000'000);
  EXPECT_EQ(Step::parse("1e12ep", "x").in_iterations(1000), 1'000'000'000'000'000);
  testing::expect_misuse([] { Step::epochs(1e12).in_iterations(100'000'000); },
                         "a length of 1e+12ep with 100000000 iterations an epoch is too long to be "
                         "counted; use a shorter one, or never");
}

}  // namespace
}  // namespace unlazy
