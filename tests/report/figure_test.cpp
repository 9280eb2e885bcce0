#include "report/figure.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "core/files.h"
#include "report/axes.h"
#include "report/map.h"
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

TEST(Figure, ShortLogarithmicAxesUpwardsToo) {
  testing::ScratchFolder scratch;
  Figure figure{.name = "log", .panels = {{.title = "Log", .log_y = true}}};
  figure.panels[0].series = {{.x = {0, 1}, .y = {0.3, 2.2}}};
  write_figure(scratch.path(), figure);
  EXPECT_NE(read_file(scratch / "log.gp").find("format y '%g'\n  set ytics (0.5,1,2)\n"),
            std::string::npos);
  figure.panels[0].series[0].y = {0.001, 2};
  write_figure(scratch.path(), figure);
  EXPECT_EQ(read_file(scratch / "log.gp").find("set ytics ("), std::string::npos);
}

Figure map_of(const std::vector<double>& z) {
  Panel panel{.title = "Loss",
              .x_label = "x",
              .y_label = "y",
              .x_low = -1,
              .x_high = 1,
              .y_low = -1,
              .y_high = 1,
              .z_label = "Loss",
              .log_z = true};
  panel.series = {{.x = {-1, 1, -1, 1}, .y = {-1, -1, 1, 1}, .z = z},
                  {.label = "here", .x = {0}, .y = {0}, .style = Series::Style::kPoints}};
  return {.name = "map", .panels = {panel}};
}

TEST(Figure, MapsHaveARowABlockAndTheirContourLines) {
  testing::ScratchFolder scratch;
  write_figure(scratch.path(), map_of({0.3, 1, 3, 30}));
  EXPECT_EQ(read_file(scratch / "map.csv"),
            "panel,series,x,y,low,high,shade,z\n"
            "\"Loss\",\"\",-1,-1,,,,0.3\n\"Loss\",\"\",1,-1,,,,1\n\n"
            "\"Loss\",\"\",-1,1,,,,3\n\"Loss\",\"\",1,1,,,,30\n\n\n"
            "\"Loss\",\"here\",0,0,,,,\n\n\n");
  const auto script = read_file(scratch / "map.gp");
  EXPECT_NE(script.find("using 3:4:(log10($8)) with image"), std::string::npos);
  EXPECT_NE(script.find("set cbtics ('0.5' "), std::string::npos) << script;
  if (!has_gnuplot()) GTEST_SKIP() << "gnuplot is not installed";
  draw_figures(scratch.path(), {"map"});
  EXPECT_NE(read_file(scratch / "map.svg").find(">0.5<"), std::string::npos);
  write_figure(scratch.path(), map_of({2, 2, 2, 2}));  // flat: no contour lines
  draw_figures(scratch.path(), {"map"});
}

// A map is drawn where its points are, so its axis is not scaled by a power of ten.
TEST(Figure, AWideMapFillsItsAxis) {
  testing::ScratchFolder scratch;
  auto figure = map_of({0.3, 1, 3, 30});
  auto& panel = figure.panels[0];
  panel.x_low = -20000;
  panel.x_high = 20000;
  for (auto& x : panel.series[0].x) x *= 20000;
  write_figure(scratch.path(), figure);
  EXPECT_NE(read_file(scratch / "map.gp").find("set xrange [-20000:20000]"), std::string::npos);
}

TEST(Figure, ContourLinesAreAtRoundHeights) {
  using Levels = std::vector<double>;
  EXPECT_EQ(contour_levels({0.3, 30, NAN}, true), (Levels{0.5, 1, 2, 5, 10, 20}));
  EXPECT_EQ(contour_levels({1e-4, 0, 1e3}, true), (Levels{1e-3, 1e-2, 0.1, 1, 10, 100}));
  EXPECT_EQ(contour_levels({0.1, 0.9}, false), (Levels{0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8}));
  EXPECT_EQ(contour_levels({0, 1000}, false), (Levels{200, 400, 600, 800}));
  EXPECT_EQ(contour_levels({5, 5}, false), Levels{});
  EXPECT_EQ(contour_levels({-1, 0}, true), Levels{});
}

// Shaded points keep their own colours, with and without a colour bar, beside a map.
TEST(Figure, EachPanelSetsItsColours) {
  testing::ScratchFolder scratch;
  auto figure = map_of({0.3, 1, 3, 30});
  auto cloud = two_panels().panels[1];
  cloud.shade_label.clear();
  figure.panels = {cloud, figure.panels[0], cloud};
  write_figure(scratch.path(), figure);
  const auto script = read_file(scratch / "map.gp");
  const auto first = script.find("set cbrange [0:1]"), map = script.find("set cbrange [-0.52");
  EXPECT_LT(first, map);
  EXPECT_NE(script.find("set cbrange [0:1]", map), std::string::npos);
  EXPECT_NE(script.find("set palette defined (0 '#c6dbef'", map), std::string::npos);
}

TEST(Figure, IsDrawnAsSvgPdfAndPng) {
  if (!has_gnuplot()) GTEST_SKIP() << "gnuplot is not installed";
  testing::ScratchFolder scratch;
  const std::string folder = scratch / "a folder/figures";
  write_figure(folder, two_panels());
  draw_figures(folder, {"two"});
  const auto svg = read_file(folder + "/two.svg"), png = read_file(folder + "/two.png");
  EXPECT_NE(svg.find("</svg>"), std::string::npos);
  EXPECT_NE(svg.find("Curve"), std::string::npos);
  EXPECT_TRUE(read_file(folder + "/two.pdf").starts_with("%PDF"));
  EXPECT_EQ(png.substr(1, 3), "PNG");
  EXPECT_GT(png.size(), 10000u);
}

// 504 points are the text width of a page, 240 a column.
TEST(Figure, IsAsWideAsThePaperWants) {
  testing::ScratchFolder scratch;
  auto figure = two_panels();
  figure.panels.insert(figure.panels.end(), 2, figure.panels[0]);
  const auto script = [&](const DrawOptions& options) {
    write_figure(scratch.path(), figure, options);
    return read_file(scratch / "two.gp");
  };
  EXPECT_NE(script({}).find("pdfcairo size 11.667in,"), std::string::npos) << "four panels of 400";
  EXPECT_NE(script({.width = "page"}).find("pdfcairo size 7in,"), std::string::npos);
  // 4 panels one below the other, and the title.
  const auto column = script({.width = "column"});
  EXPECT_NE(column.find("pdfcairo size 3.3333in,8.9542in"), std::string::npos) << column;
  EXPECT_NE(column.find("'It''s a test'"), std::string::npos);
  const auto untitled = script({.width = "column", .no_title = true});
  EXPECT_NE(untitled.find("pdfcairo size 3.3333in,8.75in"), std::string::npos);
  EXPECT_EQ(untitled.find("'It''s a test'"), std::string::npos);
  EXPECT_NE(untitled.find("Curve'"), std::string::npos) << "panels keep their titles";
  figure.panels.resize(1);
  EXPECT_EQ(script({.no_title = true}).find("Curve'"), std::string::npos)
      << "the title of the only panel is that of the figure";
}

TEST(Figure, ALongTitleTakesSeveralLines) {
  testing::ScratchFolder scratch;
  auto figure = two_panels();
  figure.title = "one part of the title, another part of the title; and the last part";
  write_figure(scratch.path(), figure, {.width = "column"});
  const auto script = read_file(scratch / "two.gp");
  EXPECT_NE(script.find("set label 1000 'one part of the title, another part of the title; ' "),
            std::string::npos)
      << script;
  EXPECT_NE(script.find("set label 1001 'and the last part' "), std::string::npos);
}

TEST(Figure, ACommonLegendLeavesThePanelsTheirHeight) {
  testing::ScratchFolder scratch;
  Figure figure{.name = "common"};
  for (int i = 0; i < 2; ++i) {
    Panel panel{.title = "P", .legend = Panel::Legend::kFigure};
    for (int k = 0; k < 6; ++k)
      panel.series.push_back(
          {.label = "a rather long label " + std::to_string(k), .x = {0, 1}, .y = {0, 1}});
    figure.panels.push_back(panel);
  }
  write_figure(scratch.path(), figure);
  const auto script = read_file(scratch / "common.gp");
  size_t count = 0;
  for (size_t at = 0; (at = script.find("a rather long label 3", at)) != std::string::npos; ++at)
    ++count;
  EXPECT_EQ(count, 1u) << "it stands there once";
  EXPECT_EQ(script.find("a rather long label 3", script.find("# panel 2")), std::string::npos);
  if (!has_gnuplot()) GTEST_SKIP() << "gnuplot is not installed";
  draw_figures(scratch.path(), {"common"});
}

TEST(Figure, LinesHaveTheirOwnColourAndDashes) {
  testing::ScratchFolder scratch;
  auto figure = two_panels();
  figure.panels[0].series[0].rgb = "#123456";
  figure.panels[0].series[0].dash = 2;
  write_figure(scratch.path(), figure);
  const auto script = read_file(scratch / "two.gp");
  EXPECT_NE(script.find("with lines lw 1.8 dt (2,4) lc rgb '#123456'"), std::string::npos)
      << script;
  EXPECT_NE(script.find("noborder lc rgb '#123456'"), std::string::npos)
      << "its band is not dashed";
}

TEST(Figure, SpansAreShadedAndNamed) {
  testing::ScratchFolder scratch;
  auto figure = two_panels();
  figure.panels[0].x_low = 0;
  figure.panels[0].x_high = 40000;
  figure.panels[0].spans = {{-1, 10000, "Phase I", false}, {10000, 50000, "Phase II", true}};
  figure.panels[0].spans_label = "noise on";
  write_figure(scratch.path(), figure);
  const auto script = read_file(scratch / "two.gp");
  EXPECT_NE(script.find("rectangle from first 1, graph 0 to first 4, graph 1 behind"),
            std::string::npos)
      << script;
  EXPECT_NE(script.find("'Phase I' at first 0.5, graph 0.96"), std::string::npos);
  EXPECT_NE(script.find("'noise on'"), std::string::npos) << "in the legend";
  if (!has_gnuplot()) GTEST_SKIP() << "gnuplot is not installed";
  draw_figures(scratch.path(), {"two"});
  EXPECT_NE(read_file(scratch / "two.svg").find("Phase II"), std::string::npos);
}

TEST(Figure, EveryContourLineIsLabelledWhereItIs) {
  Series grid;  // a bowl
  for (int j = -10; j <= 10; ++j) {
    for (int i = -10; i <= 10; ++i) {
      grid.x.push_back(i / 10.0);
      grid.y.push_back(j / 5.0);
      grid.z.push_back(i * i + j * j);
    }
  }
  const auto labels = contour_labels(grid, false);
  ASSERT_EQ(labels.size(), 3u) << "50, 100 and 150";
  for (const auto& label : labels) {
    const double z = 100 * label.x * label.x + 25 * label.y * label.y;
    EXPECT_NEAR(z, std::stod(label.text), 6) << label.x << " " << label.y;
  }
  for (double& z : grid.z) z = 1;
  EXPECT_TRUE(contour_labels(grid, false).empty());
  EXPECT_TRUE(contour_labels({.x = {1}, .y = {1}, .z = {1}}, true).empty());
}

TEST(Figure, TheStartOfALossMayLeaveTheAxes) {
  Series loss;
  for (int t = 0; t <= 100; ++t) {
    loss.x.push_back(t);
    loss.y.push_back(t < 3 ? 50 : 2 - t / 100.0);
  }
  Panel panel{.title = "Loss", .series = {loss}};
  show_later_part(panel);
  EXPECT_FALSE(panel.log_y);
  EXPECT_NEAR(panel.y_high, 1.9, 0.1);
  EXPECT_NEAR(panel.y_low, 1, 0.1);
  panel.series.push_back(loss);
  for (double& y : panel.series[1].y) y *= 20;  // far off, but there
  show_later_part(panel);
  EXPECT_TRUE(panel.log_y);
  EXPECT_EQ(panel.y_high, Panel::kAuto) << "so is the start";
  EXPECT_LT(panel.y_low, 1);
  Panel quiet{.title = "Loss", .series = {{.x = {0, 1, 2}, .y = {2, 1.5, 1}}}};
  show_later_part(quiet);
  EXPECT_EQ(quiet.y_high, Panel::kAuto) << "nothing to save";
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

TEST(Figure, NamesThatGnuplotReadsAsSomethingElseAreRefused) {
  testing::ScratchFolder scratch;
  for (const std::string name : {"|touch pwned", "<touch pwned", "-", "a/b", "a\nb", ""}) {
    auto figure = two_panels();
    figure.name = name;
    EXPECT_THROW(write_figure(scratch.path(), figure), Error) << name;
  }
}

// What is drawn behind the colour bar must not make it paler than the map.
TEST(Figure, TheColourBarIsAsDarkAsTheMap) {
  testing::ScratchFolder scratch;
  write_figure(scratch.path(), map_of({0.3, 1, 3, 30}));
  const auto script = read_file(scratch / "map.gp");
  EXPECT_LT(script.find("set style fill solid 1 noborder\n"), script.find("set colorbox"));
}

TEST(Figure, APanelWithoutPointsIsDrawnAndNamed) {
  testing::ScratchFolder scratch;
  auto figure = two_panels();
  figure.panels[1].series = {{.label = "gone", .x = {}, .y = {}}};
  figure.panels[0].series[0] = {.label = "single", .x = {0}, .y = {1}};
  figure.panels[0].series[1] = {.label = "none", .x = {1, 2}, .y = {0, NAN}};  // on a log axis
  figure.panels[0].x_high = 0;
  EXPECT_EQ(empty_panels(figure), std::vector<std::string>{"Cloud"});
  write_figure(scratch.path(), figure);
  if (!has_gnuplot()) GTEST_SKIP() << "gnuplot is not installed";
  draw_figures(scratch.path(), {"two"});
  const auto svg = read_file(scratch / "two.svg");
  EXPECT_NE(svg.find("no points: gone"), std::string::npos);
  EXPECT_NE(svg.find("no points: none"), std::string::npos);
}

TEST(Figure, AHalfPictureGetsNoName) {
  if (!has_gnuplot()) GTEST_SKIP() << "gnuplot is not installed";
  testing::ScratchFolder scratch;
  write_file(scratch / "half.gp", "set print 'half.svg'.ending\nprint '<svg>'\n");
  write_file(scratch / "half.png", "of older data");
  EXPECT_THROW(draw_figures(scratch.path(), {"half"}), Error);
  std::string names;
  for (const auto& entry : fs::directory_iterator(scratch.path()))
    names += entry.path().filename().string();
  EXPECT_EQ(names, "half.gp");
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
