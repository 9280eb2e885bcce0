// Slices of the loss landscape: directions by hand, points against networks moved by hand, and the
// way back.
#include "measure/landscape.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>

#include <cmath>

#include "measure/landscape_figure.h"
#include "support/expect_error.h"
#include "support/small_run.h"
#include "train/experiment.h"

namespace unlazy::measure {
namespace {

using Tensors = std::vector<std::pair<std::string, at::Tensor>>;

train::TrainOptions small_run(int64_t seed = 0) {
  auto o = testing::small_resnet_run();
  o.run.seed = seed;
  return o;
}

Tensors copy_of(train::Experiment& experiment) {
  auto tensors = experiment.named_tensors();
  for (auto& [name, tensor] : tensors) tensor = tensor.clone();
  return tensors;
}

void expect_equal(const Tensors& a, const Tensors& b) {
  for (size_t i = 0; i < a.size(); ++i)
    EXPECT_TRUE(at::equal(a[i].second, b[i].second)) << a[i].first;
}

// A network after a few steps, so that its running statistics are its own.
struct Trained {
  explicit Trained(int64_t steps = 3) : experiment(small_run()), subject(experiment.subject()) {
    for (int64_t step = 0; step < steps; ++step) experiment.run_step(step);
  }
  double loss(const LabelledReader& split) { return evaluate(subject, split).loss.item<double>(); }
  train::Experiment experiment;
  Subject subject;
};

LandscapeOptions coarse(const std::string& statistics) {
  LandscapeOptions options;
  options.points = 5;
  options.samples = 0;
  options.statistics = statistics;
  return options;
}

TEST(Landscape, DirectionsHaveTheNormOfEachFilter) {
  Trained net(1);
  auto& parameters = net.experiment.parameters();
  const auto direction = [&](bool has_all, uint64_t place) {
    Rng rng(5, Stream::kProbe, place);
    return filter_normalized_direction(parameters, has_all, rng);
  };
  const auto d = direction(false, 0), all = direction(true, 0), other = direction(false, 1);
  int num_filters = 0;
  for (const auto& segment : parameters.segments()) {
    const auto w = optim::FlatParameters::view(parameters.values(), segment);
    const auto v = optim::FlatParameters::view(d, segment);
    if (w.dim() < 2) {
      EXPECT_EQ(v.abs().max().item<float>(), 0) << segment.name;
      EXPECT_NEAR(optim::FlatParameters::view(all, segment).norm().item<double>(),
                  w.norm().item<double>(), 1e-5)
          << segment.name;
      continue;
    }
    for (int64_t k = 0; k < w.size(0); ++k, ++num_filters) {
      const double norm = w[k].norm().item<double>();
      EXPECT_NEAR(v[k].norm().item<double>(), norm, 1e-5 * norm) << segment.name << " " << k;
    }
  }
  EXPECT_GT(num_filters, 600);
  EXPECT_TRUE(at::equal(d, direction(false, 0))) << "the same seed is the same direction";
  // Independent directions: the cosine is of order 1 / sqrt(P), 0.002 here.
  EXPECT_LT(std::abs(((d * other).sum() / (d.norm() * other.norm())).item<double>()), 0.02);
}

TEST(Landscape, PrunedWeightsStayPruned) {
  Trained net(1);
  auto& parameters = net.experiment.parameters();
  auto mask = parameters.values().narrow(0, 0, parameters.num_weights()) > 0;
  parameters.set_mask(mask);
  Rng rng(0, Stream::kProbe);
  const auto d = filter_normalized_direction(parameters, false, rng);
  EXPECT_EQ(d.narrow(0, 0, parameters.num_weights()).masked_select(~mask).abs().max().item<float>(),
            0);
  const auto& first = parameters.segments()[0];
  EXPECT_NEAR(optim::FlatParameters::view(d, first)[0].norm().item<double>(),
              optim::FlatParameters::view(parameters.values(), first)[0].norm().item<double>(),
              1e-5);
}

TEST(Landscape, PlaneIsTheNetworkMovedByHand) {
  Trained net;
  auto& parameters = net.experiment.parameters();
  const auto before = copy_of(net.experiment);
  Rng rng(1, Stream::kProbe);
  const auto first = filter_normalized_direction(parameters, false, rng);
  const auto second = filter_normalized_direction(parameters, false, rng);
  const double here = net.loss(net.subject.train);
  Slice slice;
  {
    Landscape landscape(net.subject, parameters, coarse("auto"));
    slice = landscape.plane(first, second);
  }
  expect_equal(copy_of(net.experiment), before);
  ASSERT_EQ(slice.loss.size(), 25u);
  EXPECT_EQ(slice.loss[12], here) << "the middle";
  const at::NoGradGuard no_grad;
  parameters.values().add_(first * 0.25 - second * 0.5);  // column 3 of row 0
  EXPECT_NEAR(net.loss(net.subject.train), slice.loss[3], 1e-5);
  EXPECT_GT(std::abs(slice.loss[3] - slice.loss[15]), 1e-3) << "the axes differ";
}

TEST(Landscape, LineEndsAtTheCheckpoints) {
  Trained net;
  const auto from = place_of(net.subject);
  const double start_train = net.loss(net.subject.train), start_test = net.loss(net.subject.test);
  for (int64_t step = 3; step < 6; ++step) net.experiment.run_step(step);
  const auto to = place_of(net.subject);
  const double end_train = net.loss(net.subject.train), end_test = net.loss(net.subject.test);
  const auto before = copy_of(net.experiment);
  auto options = coarse("interpolate");
  Landscape::Line line;
  {
    Landscape landscape(net.subject, net.experiment.parameters(), options);
    line = landscape.line(from, to);
  }
  expect_equal(copy_of(net.experiment), before);
  EXPECT_EQ(line.train.loss[1], start_train);
  EXPECT_EQ(line.test.loss[1], start_test);
  EXPECT_EQ(line.train.loss[3], end_train);
  EXPECT_EQ(line.test.loss[3], end_test);
  for (const double loss : line.train.loss) EXPECT_TRUE(std::isfinite(loss));
  // Half way, by hand: weights and statistics.
  const at::NoGradGuard no_grad;
  auto& values = net.experiment.parameters().values();
  values.copy_((from.values + to.values) / 2);
  size_t i = 0;
  for (auto& buffer : net.subject.model.module().buffers()) {
    if (buffer.is_floating_point()) buffer.copy_((from.buffers[i] + to.buffers[i]) / 2);
    ++i;
  }
  EXPECT_NEAR(net.loss(net.subject.train), line.train.loss[2], 1e-5);
}

// Statistics that are collected anew do not know those that were there; the fixed ones are those.
TEST(Landscape, RecalibrationForgetsTheStoredStatistics) {
  Trained net;
  const auto from = place_of(net.subject);
  for (int64_t step = 3; step < 5; ++step) net.experiment.run_step(step);
  const auto to = place_of(net.subject);
  const auto losses = [&](const Place& start, const std::string& statistics) {
    Landscape landscape(net.subject, net.experiment.parameters(), coarse(statistics));
    return landscape.line(start, to).train.loss;
  };
  auto spoiled = from;
  for (auto& buffer : spoiled.buffers) {
    if (buffer.is_floating_point()) buffer = buffer * 2 + 0.3;
  }
  EXPECT_EQ(losses(from, "recalibrate"), losses(spoiled, "recalibrate"));
  EXPECT_EQ(losses(from, "auto"), losses(from, "recalibrate"));
  EXPECT_NE(losses(from, "fixed"), losses(spoiled, "fixed"));
  EXPECT_NE(losses(from, "fixed"), losses(from, "recalibrate"));
}

TEST(Landscape, StepsHoldTheCheckpointsExactly) {
  LandscapeOptions options;
  const auto line = steps_of(options, true), plane = steps_of(options, false);
  ASSERT_EQ(line.size(), 21u);
  EXPECT_EQ(line.front(), -0.5);
  EXPECT_EQ(line.back(), 1.5);
  EXPECT_EQ(line[5], 0.0);
  EXPECT_EQ(line[15], 1.0);
  EXPECT_EQ(plane[10], 0.0);
  EXPECT_EQ(plane.front(), -0.5);
}

// Also where no point of the line lies at 0 or 1.
TEST(Landscape, TheFigureOfALineSaysWhichRunIsAtWhichEnd) {
  Landscape::Line line;
  line.train.loss = {1, 2, 3};
  line.test.loss = {2, 3, 9};
  line.train.accuracy = line.test.accuracy = {0.5, 0.4, 0.3};
  const auto figure =
      line_figure("line", "runs/a_1, step 0", "runs/b, step 9", {-0.3, 0.4, 1.1}, line);
  ASSERT_EQ(figure.panels.size(), 2u);
  const auto& series = figure.panels[0].series;
  ASSERT_EQ(series.size(), 4u);
  EXPECT_EQ(series[2].label, "{/:Italic a} = 0: runs/a\\_1, step 0");
  EXPECT_EQ(series[3].label, "{/:Italic a} = 1: runs/b, step 9");
  EXPECT_EQ(series[3].x, (std::vector<double>{1, 1}));
  EXPECT_EQ(series[3].y, (std::vector<double>{1, 9}));
  EXPECT_EQ(figure.panels[1].series[0].y, (std::vector<double>{50, 40, 30})) << "per cent";
}

TEST(Landscape, BarrierIsTheRiseAboveTheChord) {
  const std::vector<double> steps = {-0.5, 0, 0.25, 0.5, 1, 1.5};
  // chord 1 .. 3: 1.5 and 2 at the inner steps
  EXPECT_DOUBLE_EQ(barrier(steps, {9, 1, 2.5, 2.75, 3, 9}), 1.0);
  EXPECT_EQ(barrier(steps, {9, 1, 1.2, 1.5, 3, 9}), 0);
  EXPECT_TRUE(std::isnan(barrier({0, 0.5}, {1, 2})));
}

TEST(Landscape, SaysWhatIsWrong) {
  LandscapeOptions options;
  options.range = {1, -1};
  testing::expect_misuse([&] { steps_of(options, true); },
                         "landscape: --range wants two ascending numbers, such as -1,1");
  options.range = {-1e300, 1e300};
  testing::expect_misuse([&] { steps_of(options, false); },
                         "landscape: --range must lie within -1000,1000, a thousand times the "
                         "length of the weights; got -1e+300,1e+300");
  options.range = {0, 1e-12};
  testing::expect_misuse([&] { steps_of(options, false); },
                         "landscape: the points of --range lie closer than 1e-09; take a wider "
                         "one, or fewer --points");
  options.statistics = "interpolate";
  testing::expect_misuse([&] { resolved_statistics(options, false); },
                         "landscape: --bn-statistics interpolate is for a line between two "
                         "checkpoints; add --to or --to-checkpoint");
}

}  // namespace
}  // namespace unlazy::measure
