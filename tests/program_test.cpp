// The program as a whole: exit codes and where it writes what.
#include <gtest/gtest.h>

#include "support/program.h"

namespace unlazy {
namespace {

using testing::run_program;

TEST(Program, MisuseIsExitCodeTwo) {
  const auto result = run_program({"trian"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err, "unlazy: command: there is no 'trian'; did you mean 'train'?\n");
}

TEST(Program, OverviewIsOnStandardOutput) {
  const auto result = run_program({"--help"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.err, "");
  EXPECT_NE(result.out.find("\n  info"), std::string::npos) << result.out;
}

}  // namespace
}  // namespace unlazy
