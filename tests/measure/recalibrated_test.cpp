// BatchNorm's statistics collected again for a measurement: the numbers, and that nothing of the
// run changes.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>

#include <cmath>

#include "measure/loss_surface.h"
#include "support/small_run.h"
#include "train/experiment.h"

namespace unlazy::measure {
namespace {

train::TrainOptions run_options(const std::string& statistics = "running") {
  auto o = testing::small_resnet_run();
  o.measure.probe.samples = 12;
  o.measure.probe.statistics = statistics;
  return o;
}

struct SmallRun {
  explicit SmallRun(const train::TrainOptions& options = run_options())
      : experiment(options), subject(experiment.subject()) {
    for (int64_t step = 0; step < 3; ++step) experiment.run_step(step);
  }
  std::vector<at::Tensor> buffers() {
    std::vector<at::Tensor> list;
    for (const auto& buffer : experiment.model().module().buffers()) list.push_back(buffer.clone());
    return list;
  }
  train::Experiment experiment;
  Subject subject;
};

void expect_equal(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(at::equal(a[i], b[i])) << i;
}

// By hand: the mean and variance of each channel of the first convolution's output, over the same
// images. With one batch the average is that batch's.
TEST(MeasuredStatistics, CollectsTheStatisticsOfTheBatches) {
  auto options = run_options();
  options.run.eval_batch = 24;
  SmallRun run(options);
  recalibrate(run.subject, 0, c10::kFloat);
  const auto images = run.subject.train.reader.training_batch(data::range(0, 24), 0);
  const auto tensors = run.experiment.named_tensors();
  const auto find = [&](const std::string& name) {
    for (const auto& [key, tensor] : tensors) {
      if (key == name) return tensor;
    }
    ADD_FAILURE() << name;
    return at::Tensor();
  };
  const at::NoGradGuard no_grad;
  const auto output = at::conv2d(images, find("conv1.weight"), {}, 1, 1);
  EXPECT_TRUE(at::allclose(find("bn1.running_mean"), output.mean({0, 2, 3}), 1e-3, 1e-4));
  EXPECT_TRUE(
      at::allclose(find("bn1.running_var"), output.var({0, 2, 3}, /*unbiased=*/true), 1e-3, 1e-4));
}

TEST(MeasuredStatistics, ASingleSampleLeftOverJoinsTheBatchBefore) {
  auto options = run_options();
  options.run.eval_batch = 23;
  SmallRun run(options);
  recalibrate(run.subject, 0, c10::kFloat);
  const auto one_batch = run.buffers();
  options.run.eval_batch = 24;
  SmallRun whole(options);
  recalibrate(whole.subject, 0, c10::kFloat);
  expect_equal(one_batch, whole.buffers());
}

TEST(TestRecalibrated, IsTheTestAfterCollectingAndLeavesTheRunAlone) {
  SmallRun run;
  const auto before = run.buffers();
  const auto plain = registry().find("test").make(run.subject);
  const auto values = to_host(registry().find("test-recalibrated").make(run.subject));
  ASSERT_EQ(values.size(), 2u);
  EXPECT_EQ(values[0].first, "test_loss_recalibrated");
  EXPECT_EQ(values[1].first, "test_accuracy_recalibrated");
  expect_equal(run.buffers(), before);
  EXPECT_NE(values[0].second, to_host(plain)[0].second);
  recalibrate(run.subject, run.subject.probe.statistics_samples, c10::kFloat);
  EXPECT_EQ(values[0].second, to_host(registry().find("test").make(run.subject))[0].second);
}

TEST(RecalibratedSurface, RecalibratedStatisticsAreThoseOfThePointAndLeaveTheRunAlone) {
  SmallRun running, recalibrated(run_options("recalibrated"));
  const auto before = recalibrated.buffers();
  double with_running, at_point, moved;
  {
    LossSurface surface(running.subject);
    with_running = surface.loss().item<double>();
  }
  {
    LossSurface surface(recalibrated.subject);
    at_point = surface.loss().item<double>();
    EXPECT_EQ(at_point, surface.loss().item<double>());
    // Scaling the first convolution changes nothing once the statistics follow.
    surface.point().narrow(0, 0, 16 * 27).mul_(3);
    moved = surface.loss().item<double>();
    surface.collect_statistics();
    EXPECT_NEAR(surface.loss().item<double>(), at_point, 1e-4 * at_point);
  }
  EXPECT_NE(with_running, at_point);
  EXPECT_GT(std::abs(moved - at_point), 1e-2 * at_point);
  expect_equal(recalibrated.buffers(), before);
}

}  // namespace
}  // namespace unlazy::measure
