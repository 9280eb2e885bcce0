// Running statistics computed anew are the plain average of the batches', as with momentum=None.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include "models/frozen_statistics.h"
#include "models/norm.h"

namespace unlazy::models {
namespace {

at::Tensor buffer(torch::nn::Module& module, const std::string& name) {
  return module.named_buffers()[name];
}

TEST(AveragedStatistics, IsThePlainAverageOfTheBatches) {
  const at::NoGradGuard no_grad;
  Norm norm("batch", 6, 1);
  const std::vector<at::Tensor> batches = {at::randn({4, 6, 5, 5}), at::randn({8, 6, 5, 5}) * 2 + 1,
                                           at::randn({3, 6, 5, 5}) - 4};
  norm->forward(batches[2]);  // what was there before does not count
  at::Tensor mean = at::zeros_like(buffer(*norm, "running_mean")), variance = mean.clone();
  {
    AveragedStatistics averaged(*norm);
    for (const auto& batch : batches) {
      averaged.next_batch();
      norm->forward(batch);
      mean += batch.mean({0, 2, 3}) / 3;
      variance += batch.var({0, 2, 3}, /*unbiased=*/true) / 3;
    }
  }
  EXPECT_LT((buffer(*norm, "running_mean") - mean).abs().max().item<double>(), 1e-5);
  EXPECT_LT((buffer(*norm, "running_var") - variance).abs().max().item<double>(), 1e-4);
  // Afterwards the moving average is PyTorch's again.
  const auto before = buffer(*norm, "running_mean").clone();
  norm->forward(batches[0]);
  const auto expected = before * 0.9 + batches[0].mean({0, 2, 3}) * 0.1;
  EXPECT_LT((buffer(*norm, "running_mean") - expected).abs().max().item<double>(), 1e-5);
}

}  // namespace
}  // namespace unlazy::models
