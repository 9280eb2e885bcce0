#include "report/metrics.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/files.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"

namespace unlazy::report {
namespace {

TEST(Metrics, ReadsCurvesAndLeavesOutATornRow) {
  const testing::ScratchFolder scratch;
  write_file(scratch / "metrics.csv",
             "step,epoch,name,value\n0,0,test_loss,2.5\n5,0.5,test_loss,1e-05\n5,0.5,lr,0.1\n9,0.9,"
             "test_lo");
  const auto curves = read_metrics(scratch.path());
  ASSERT_EQ(curves.size(), 2u);
  EXPECT_EQ(curves.at("test_loss").steps, (std::vector<int64_t>{0, 5}));
  EXPECT_EQ(curves.at("test_loss").epochs, (std::vector<double>{0, 0.5}));
  EXPECT_EQ(curves.at("test_loss").values, (std::vector<double>{2.5, 1e-5}));
}

TEST(Metrics, SaysWhatIsWrong) {
  const testing::ScratchFolder scratch;
  testing::expect_error([&] { read_metrics(scratch / "none"); },
                        (scratch / "none/metrics.csv") + ": cannot be read; is " +
                            (scratch / "none") + " the folder of a run?");
  write_file(scratch / "metrics.csv", "step,epoch,name,value\n0,x,test_loss,2.5\n");
  testing::expect_error([&] { read_metrics(scratch.path()); },
                        (scratch / "metrics.csv") +
                            ": line 2 is not a row of step,epoch,name,value: 0,x,test_loss,2.5");
}

TEST(Metrics, SoFarTakesWhatIsThere) {
  const testing::ScratchFolder scratch;
  EXPECT_TRUE(read_metrics_so_far(scratch.path()).empty()) << "no table yet";
  for (const char* begun : {"", "step,epo", "step,epoch,name,value", "step,epoch,name,value\n"}) {
    write_file(scratch / "metrics.csv", begun);
    EXPECT_TRUE(read_metrics_so_far(scratch.path()).empty()) << begun;
  }
  // Cut in the middle of a row, then written on.
  write_file(
      scratch / "metrics.csv",
      "step,epoch,name,value\n0,0,test_loss,2.5\n5,0.5,test5,0.5,test_loss,1\n9,1,test_loss,1\n");
  EXPECT_EQ(read_metrics_so_far(scratch.path()).at("test_loss").values, (std::vector<double>{2.5}));
  write_file(scratch / "metrics.csv", "a,b\n");
  EXPECT_THROW(read_metrics_so_far(scratch.path()), Error);
}

TEST(Metrics, TableHasARowARun) {
  const testing::ScratchFolder scratch;
  write_file(scratch / "metrics.csv", "step,epoch,name,value\n9,1.5,test_accuracy,0.75\n");
  const auto table = run_table({scratch.path()});
  EXPECT_NE(table.find("0.75"), std::string::npos);
  EXPECT_NE(table.find("1.5"), std::string::npos);
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 2);
}

}  // namespace
}  // namespace unlazy::report
