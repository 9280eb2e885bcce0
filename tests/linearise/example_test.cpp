// tools/examples/linearise_your_model.cpp prints what it says, and numbers that make sense.
#include <gtest/gtest.h>

#include <sstream>

#include "support/program.h"

namespace unlazy::linearise {
namespace {

struct Row {
  double step, loss, linearised, distance;
};

TEST(LineariseExample, TrainsAUsersModuleBesideItsLinearisation) {
  const auto result = testing::run_command({UNLAZY_BINARY_DIR "/examples/linearise_your_model"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  double smallest = -1, largest = 0, lr = 0;
  ASSERT_EQ(std::sscanf(result.out.c_str(),
                        "kernel [96, 96], eigenvalues %lf to %lf, largest stable learning rate %lf",
                        &smallest, &largest, &lr),
            3)
      << result.out;
  EXPECT_GT(smallest, -1e-5 * largest);           // positive up to fp32
  EXPECT_NEAR(lr * largest / (2 * 96), 1, 0.01);  // three digits are printed

  std::vector<Row> rows;
  const auto header = result.out.find("lazy distance\n");
  ASSERT_NE(header, std::string::npos) << result.out;
  std::istringstream table(result.out.substr(header + std::string("lazy distance\n").size()));
  for (Row row; table >> row.step >> row.loss >> row.linearised >> row.distance;)
    rows.push_back(row);
  ASSERT_EQ(rows.size(), 5u) << result.out;
  EXPECT_EQ(rows[0].distance, 0);
  EXPECT_EQ(rows[0].loss, rows[0].linearised);
  for (size_t i = 1; i < rows.size(); ++i) {
    EXPECT_EQ(rows[i].step, 10.0 * static_cast<double>(i));
    EXPECT_LT(rows[i].loss, rows[i - 1].loss);
    EXPECT_LT(rows[i].linearised, rows[i - 1].linearised);
    EXPECT_GT(rows[i].distance, rows[i - 1].distance);
  }
  EXPECT_LT(rows.back().distance, 1);
}

}  // namespace
}  // namespace unlazy::linearise
