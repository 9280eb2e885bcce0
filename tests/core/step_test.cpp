#include "core/step.h"

#include <gtest/gtest.h>

#include "core/error.h"

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

}  // namespace
}  // namespace unlazy
