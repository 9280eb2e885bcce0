#include "report/metrics.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "core/files.h"
#include "report/run_figure.h"
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

TEST(Metrics, TableHasARowARun) {
  const testing::ScratchFolder scratch;
  write_file(scratch / "metrics.csv", "step,epoch,name,value\n9,1.5,test_accuracy,0.75\n");
  const auto table = run_table({scratch.path()});
  EXPECT_NE(table.find("0.75"), std::string::npos);
  EXPECT_NE(table.find("1.5"), std::string::npos);
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 2);
}

TEST(RunFigure, HasALineARunAndPrefersSmoothedCurves) {
  const testing::ScratchFolder scratch;
  for (const char* name : {"a_1", "b"}) {
    std::filesystem::create_directories(scratch / name);
    write_file(scratch / name + "/metrics.csv",
               "step,epoch,name,value\n1,0.5,test_accuracy,0.25\n1,0.5,test_accuracy_ema,0.125\n1,"
               "0.5,train_loss,2\n");
  }
  const auto figure = run_figure({scratch / "a_1", scratch / "b" + "/"});
  ASSERT_EQ(figure.panels.size(), 4u);
  ASSERT_EQ(figure.panels[1].series.size(), 2u);
  EXPECT_EQ(figure.panels[1].series[0].label, "a-1");
  EXPECT_EQ(figure.panels[1].series[1].label, "b");
  EXPECT_EQ(figure.panels[1].series[1].y, std::vector<double>{0.125});
  EXPECT_EQ(figure.panels[2].series[0].y, std::vector<double>{2});
  EXPECT_TRUE(figure.panels[0].series.empty());
}

}  // namespace
}  // namespace unlazy::report
