#include "report/figure.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "core/files.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"

namespace unlazy::report {
namespace {

namespace fs = std::filesystem;

Figure two_panels() {
  Figure figure{.name = "two", .title = "It's a test"};
  Panel curve{.title = "Curve",
              .x_label = "Iteration {/:Italic t}",
              .y_label = "Loss, 1/2 r^2",
              .log_y = true};
  curve.series = {{.label = "train, clean",
                   .x = {0, 20000, 40000},
                   .y = {1, 0.1, 0.01},
                   .low = {0.9, 0.05, 0.005},
                   .high = {1.1, 0.2, 0.02}},
                  {.label = "theory",
                   .x = {0, 40000},
                   .y = {1, 0.02},
                   .style = Series::Style::kDashed,
                   .color = kGray}};
  Panel cloud{.title = "Cloud", .x_label = "x", .y_label = "y", .shade_label = "time"};
  cloud.series = {{.label = "points", .x = {1, 2, 3}, .y = {1, 4, 9}, .shade = {0, 0.5, 1}}};
  figure.panels = {curve, cloud};
  return figure;
}

TEST(Figure, DataHasABlockASeries) {
  testing::ScratchFolder scratch;
  write_figure(scratch.path(), two_panels());
  EXPECT_EQ(read_file(scratch / "two.csv"),
            "panel,series,x,y,low,high,shade\n"
            "\"Curve\",\"train, clean\",0,1,0.9,1.1,\n"
            "\"Curve\",\"train, clean\",20000,0.1,0.05,0.2,\n"
            "\"Curve\",\"train, clean\",40000,0.01,0.005,0.02,\n\n\n"
            "\"Curve\",\"theory\",0,1,,,\n\"Curve\",\"theory\",40000,0.02,,,\n\n\n"
            "\"Cloud\",\"points\",1,1,,,0\n\"Cloud\",\"points\",2,4,,,0.5\n\"Cloud\",\"points\",3,"
            "9,,,1\n\n\n");
}

TEST(Figure, ScriptTakesPowersOutOfLongAxes) {
  testing::ScratchFolder scratch;
  write_figure(scratch.path(), two_panels());
  const auto script = read_file(scratch / "two.gp");
  EXPECT_NE(script.find("'Iteration {/:Italic t} (10^{4})'"), std::string::npos);
  EXPECT_NE(script.find("using ($3/1e4):5:6 with filledcurves"), std::string::npos);
  EXPECT_NE(script.find("'It''s a test'"), std::string::npos) << "quotes are doubled for gnuplot";
}

// Ten to a hundred per cent would have two numbers at whole decades.
TEST(Figure, ShortLogarithmicAxesHavePlainNumbersWithinTheData) {
  testing::ScratchFolder scratch;
  Figure figure{.name = "log", .panels = {{.title = "Log", .log_x = true}}};
  Series series;
  const auto script = [&](std::vector<double> x) {
    series.x = x;
    series.y = x;
    figure.panels[0].series = {series};
    write_figure(scratch.path(), figure);
    return read_file(scratch / "log.gp");
  };
  EXPECT_NE(script({4.4, 20, 100}).find("format x '%g'\n  set xtics (5,10,20,50,100)\n"),
            std::string::npos);
  EXPECT_NE(script({0.2, 100}).find("set xtics (1,10,100)\n"), std::string::npos);
  EXPECT_NE(script({0, 41, 100}).find("set xtics (50,60,80,100)\n"), std::string::npos);
  EXPECT_EQ(script({1, 10000}).find("set xtics ("), std::string::npos);
}

TEST(Figure, IsDrawnAsSvgAndPng) {
  if (!has_gnuplot()) GTEST_SKIP() << "gnuplot is not installed";
  testing::ScratchFolder scratch;
  const std::string folder = scratch / "a folder/figures";
  write_figure(folder, two_panels());
  draw_figures(folder, {"two"});
  const auto svg = read_file(folder + "/two.svg"), png = read_file(folder + "/two.png");
  EXPECT_NE(svg.find("</svg>"), std::string::npos);
  EXPECT_NE(svg.find("Curve"), std::string::npos);
  EXPECT_EQ(png.substr(1, 3), "PNG");
  EXPECT_GT(png.size(), 10000u);
}

TEST(Figure, WhatGnuplotSaysIsAnError) {
  if (!has_gnuplot()) GTEST_SKIP() << "gnuplot is not installed";
  testing::ScratchFolder scratch;
  write_file(scratch / "bad.gp", "plot nothing_there\n");
  try {
    draw_figures(scratch.path(), {"bad"});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what())
                  .find("figure: gnuplot could not draw " + scratch.path() + "/bad.gp: "),
              0u)
        << error.what();
    EXPECT_NE(std::string(error.what()).find("nothing_there"), std::string::npos);
  }
}

TEST(Figure, WithoutGnuplotDataAndScriptStay) {
  testing::ScratchFolder scratch;
  const std::string path = std::getenv("PATH");
  ::setenv("PATH", scratch.path().c_str(), 1);
  write_figure(scratch.path(), two_panels());
  testing::expect_error(
      [&] { draw_figures(scratch.path(), {"two"}); },
      "figure: gnuplot is not installed; the data and scripts are in " + scratch.path() +
          ": install gnuplot (Debian: apt install gnuplot-nox) and run it on the .gp files there");
  ::setenv("PATH", path.c_str(), 1);
  EXPECT_TRUE(fs::exists(scratch / "two.csv"));
  EXPECT_TRUE(fs::exists(scratch / "two.gp"));
}

TEST(Figure, RefusesListsOfDifferentLengths) {
  testing::ScratchFolder scratch;
  Figure figure{.name = "bad",
                .panels = {{.title = "x", .series = {{.label = "s", .x = {1, 2}, .y = {1}}}}}};
  testing::expect_error([&] { write_figure(scratch.path(), figure); },
                        "figure bad: series 's' has lists of different lengths");
}

}  // namespace
}  // namespace unlazy::report
