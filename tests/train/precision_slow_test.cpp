// bf16 against fp32 on the shapes of ResNet-18: some versions of LibTorch computed some bf16
// convolutions wrongly.
#include <gtest/gtest.h>

#include "support/scratch_folder.h"
#include "train/experiment.h"

namespace unlazy::train {
namespace {

// The mean training loss of the last 10 of 50 steps.
double loss_after_50_steps(const std::string& precision) {
  TrainOptions o;
  o.data.source = "cifar10-sample";
  o.batch.batch_size = 16;
  o.model.name = "resnet18";
  o.noise.kind = "flip";
  o.noise.rate = 0.1;
  o.schedule.lr = 0.01;
  o.compute.device = "cpu";
  o.compute.precision = precision;
  Experiment experiment(o);
  for (int64_t step = 0; step < 50; ++step) {
    if (step == 40) experiment.step().reset_totals();
    experiment.run_step(step);
  }
  return experiment.step().totals().loss;
}

TEST(Bf16, TrainsLikeFp32) {
  const double fp32 = loss_after_50_steps("fp32"), bf16 = loss_after_50_steps("bf16");
  EXPECT_NEAR(bf16 / fp32, 1, 0.02);
  EXPECT_LT(fp32, 2.2);  // it learned something
}

}  // namespace
}  // namespace unlazy::train
