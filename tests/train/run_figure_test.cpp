#include "train/run_figure.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "core/files.h"
#include "support/scratch_folder.h"

namespace unlazy::train {
namespace {

using unlazy::testing::ScratchFolder;

TEST(RunFigure, HasALineARunAndPrefersSmoothedCurves) {
  const ScratchFolder scratch;
  for (const char* name : {"a_1", "b"}) {
    std::filesystem::create_directories(scratch / name);
    write_file(scratch / name + "/metrics.csv",
               "step,epoch,name,value\n1,0.5,test_accuracy,0.25\n1,0.5,test_accuracy_ema,0.125\n1,"
               "0.5,train_loss,2\n");
  }
  const auto figure = run_figure({scratch / "a_1", scratch / "b" + "/"});
  ASSERT_EQ(figure.panels.size(), 4u);
  ASSERT_EQ(figure.panels[1].series.size(), 2u);
  EXPECT_EQ(figure.panels[1].series[0].label, "a\\_1");
  EXPECT_EQ(figure.panels[1].series[1].label, "b");
  EXPECT_EQ(figure.panels[1].series[1].y, std::vector<double>{0.125});
  EXPECT_EQ(figure.panels[2].series[0].y, std::vector<double>{2});
  ASSERT_EQ(figure.panels[0].series.size(), 2u);
  EXPECT_TRUE(figure.panels[0].series[0].x.empty());
}

TEST(RunFigure, RunsOfTheSameNameAreToldApart) {
  const ScratchFolder scratch;
  for (const std::string seed : {"seed0", "seed1"}) {
    std::filesystem::create_directories(scratch / seed + "/noise");
    write_file(scratch / seed + "/noise/metrics.csv", "step,epoch,name,value\n0,0,test_loss,2\n");
  }
  const auto figure = run_figure({scratch / "seed0/noise", scratch / "seed1/noise"});
  EXPECT_EQ(figure.panels[0].series[0].label, "seed0/noise");
  EXPECT_EQ(figure.panels[0].series[1].label, "seed1/noise");
}

}  // namespace
}  // namespace unlazy::train
