#include "experiments/lazy_figure.h"

#include <gtest/gtest.h>

#include "report/band.h"
#include "report/colors.h"

namespace unlazy::experiments {
namespace {

// The four runs of a seed; the perturbed linearised one has its loss multiplied by `factor` in the
// end.
Runs runs_of(double factor) {
  Runs runs(4);
  for (size_t place = 0; place < 4; ++place) {
    for (const char* name : {"train_set_loss", "test_loss", "first_layer_norm"}) {
      report::Curve curve;
      for (int t = 0; t <= 40; ++t) {
        curve.steps.push_back(t);
        curve.epochs.push_back(t);
        curve.values.push_back((t < 2 ? 50.0 : 2.0 - t / 40.0) *
                               (place == kLinearPerturbed && t == 38 ? factor : 1));
      }
      runs[place][name] = curve;
    }
    if (place < kLinear)
      runs[place]["ntk_trace_ratio"] = {
          {0, 1, 2, 5, 40}, {0, 1, 2, 5, 40}, {1, 0.5, 0.4, 0.3, 0.3}};
  }
  return runs;
}

train::TrainOptions noise_options(double rate) {
  train::TrainOptions o;
  o.noise.kind = "flip-any";
  o.noise.rate = rate;
  return o;
}

TEST(LazyFigure, EveryNamedLineLiesOnTheAxes) {
  for (const double factor : {1.5, 100.0}) {
    const auto figure = lazy_figure("fig5", noise_options(0.5), {runs_of(factor)}, {7});
    EXPECT_EQ(figure.title, "seed 7");
    ASSERT_EQ(figure.panels.size(), 4u);
    for (size_t p = 0; p < 2; ++p) {
      const auto& panel = figure.panels[p];
      EXPECT_FALSE(panel.y_label.empty());
      EXPECT_EQ(panel.log_y, factor > 3);
      const double spike = panel.series[kLinearPerturbed].y[38];
      EXPECT_TRUE(panel.y_high == report::Panel::kAuto || panel.y_high > spike) << panel.y_high;
      EXPECT_LT(panel.y_high, 3) << "the start is cut off where that helps";
    }
  }
}

TEST(LazyFigure, ANoiseRateHasItsColourAndTheLinearisedOneIsDashed) {
  auto figure = lazy_figure("fig3", noise_options(0.1), {runs_of(1), runs_of(2)}, {0, 1});
  EXPECT_EQ(figure.title, report::band_note(2, 2));
  const auto& lines = figure.panels[0].series;
  EXPECT_EQ(lines[kClean].rgb, report::noise_color(0));
  EXPECT_EQ(lines[kPerturbed].rgb, report::noise_color(0.1));
  EXPECT_EQ(lines[kPerturbed].label, "label noise τ = 0.1");
  EXPECT_EQ(lines[kLinearPerturbed].rgb, report::noise_color(0.1));
  EXPECT_EQ(lines[kLinearPerturbed].style, report::Series::Style::kDashed);
  EXPECT_EQ(lines[kPerturbed].low.size(), 41u) << "mean and standard deviation over seeds";
  auto sam = noise_options(0);
  sam.noise.kind = "none";
  sam.optimizer.name = "sam";
  sam.optimizer.sharpness.rho = 2;
  figure = lazy_figure("fig5", sam, {runs_of(1)}, {0});
  EXPECT_EQ(figure.panels[0].series[kPerturbed].label, "SAM ρ = 2");
  EXPECT_NE(figure.panels[0].series[kPerturbed].rgb, report::noise_color(0));
}

// Its first fall takes a few steps.
TEST(LazyFigure, TheKernelHasALogarithmicAxis) {
  const auto figure = lazy_figure("fig3", noise_options(0.5), {runs_of(1)}, {0});
  EXPECT_TRUE(figure.panels[3].log_x);
  EXPECT_FALSE(figure.panels[0].log_x);
}

}  // namespace
}  // namespace unlazy::experiments
