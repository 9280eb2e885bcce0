#include "train/run_figure.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "core/files.h"
#include "report/band.h"
#include "report/colors.h"
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
  EXPECT_EQ(figure.panels[1].series[1].y, std::vector<double>{12.5});
  EXPECT_EQ(figure.panels[1].title, "Test accuracy, smoothed");
  EXPECT_EQ(figure.panels[2].title, "Training loss, noise included");
  EXPECT_EQ(figure.panels[2].series[0].y, std::vector<double>{2});
  ASSERT_EQ(figure.panels[0].series.size(), 2u);
  EXPECT_TRUE(figure.panels[0].series[0].x.empty());
}

void make_run(const std::string& folder, const std::string& options, double loss) {
  std::filesystem::create_directories(folder);
  write_file(folder + "/config.json", "{" + options + "}");
  write_file(folder + "/metrics.csv", "step,epoch,name,value\n0,0,test_loss,5\n10,1,test_loss," +
                                          std::to_string(loss) + "\n");
}

TEST(RunFigure, SeedsAreABandWithTheNoiseRateAsItsName) {
  const ScratchFolder scratch;
  make_run(scratch / "a", R"("noise": "none", "noise-rate": 0, "lr": 0.1, "seed": 0)", 3);
  make_run(scratch / "b", R"("noise": "flip", "noise-rate": 0.1, "lr": 0.1, "seed": 0)", 1);
  make_run(scratch / "c", R"("noise": "flip", "noise-rate": 0.1, "lr": 0.1, "seed": 1)", 2);
  auto figure = run_figure({scratch / "a", scratch / "b", scratch / "c"});
  ASSERT_EQ(figure.panels[0].series.size(), 2u);
  const auto &clean = figure.panels[0].series[0], &noisy = figure.panels[0].series[1];
  EXPECT_EQ(clean.label, "τ = 0");
  EXPECT_TRUE(clean.low.empty());
  EXPECT_EQ(clean.rgb, report::noise_color(0));
  EXPECT_EQ(noisy.label, "τ = 0.1");
  EXPECT_EQ(noisy.rgb, report::noise_color(0.1));
  EXPECT_EQ(noisy.y, (std::vector<double>{5, 1.5}));
  EXPECT_NEAR(noisy.high[1], 1.5 + std::sqrt(0.5), 1e-12);
  EXPECT_EQ(figure.title, report::band_note(1, 2));

  make_run(scratch / "d", R"("noise": "flip", "noise-rate": 0.1, "lr": 0.5, "seed": 0)", 2);
  figure = run_figure({scratch / "a", scratch / "b", scratch / "d"});
  EXPECT_EQ(figure.panels[0].series[2].label, "τ = 0.1, lr 0.5");
  EXPECT_EQ(figure.panels[0].series[1].label, "τ = 0.1, lr 0.1");
  EXPECT_EQ(figure.panels[0].series[2].dash, 1) << "one colour, other dashes";

  make_run(scratch / "again", R"("noise": "none", "noise-rate": 0, "lr": 0.1, "seed": 0)", 3);
  figure = run_figure({scratch / "a", scratch / "again"});
  EXPECT_EQ(figure.panels[0].series[1].label, "again") << "the same seed twice is no band";
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
