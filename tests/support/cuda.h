// The base of tests that need a GPU: they are left out where there is none.
#pragma once

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "core/device.h"
#include "support/small_run.h"

namespace unlazy::testing {

class CudaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!at::hasCUDA()) GTEST_SKIP() << "no CUDA device";
    resolve({.device = "cuda"});
  }
};

/// A ResNet-20 with few channels on 96 images: 2 whole batches and a smaller one an epoch. The
/// learning rate is exact in fp32, in which CUDA's fused kernels read it.
inline train::TrainOptions small_cuda_run(const std::string& device, const std::string& precision) {
  auto o = small_run();
  o.data.train_size = 96;
  o.data.test_size = 50;
  o.batch.batch_size = 40;
  o.model.name = "resnet20";
  o.model.block_widths.assign(9, 4);
  o.noise.kind = "flip";
  o.noise.rate = 0.2;
  o.optimizer.weight_decay = 0.0009765625;
  o.schedule.lr = 0.0625;
  o.run.max_steps = 30;
  o.compute.device = device;
  o.compute.precision = precision;
  return o;
}

/// |a - b| / |b| in fp64 on the host.
inline double relative_error(const at::Tensor& a, const at::Tensor& b) {
  const auto x = a.detach().cpu().to(c10::kDouble), y = b.detach().cpu().to(c10::kDouble);
  return ((x - y).norm() / y.norm().clamp_min(1e-300)).item<double>();
}

}  // namespace unlazy::testing
