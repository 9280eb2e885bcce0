// Running statistics computed anew are those of all samples, however they were cut into batches.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <memory>

#include "models/frozen_statistics.h"
#include "models/model.h"
#include "models/norm.h"

namespace unlazy::models {
namespace {

at::Tensor buffer(torch::nn::Module& module, const std::string& name) {
  return module.named_buffers()[name];
}

TEST(AveragedStatistics, EachBatchWeighsAsItsSamples) {
  const at::NoGradGuard no_grad;
  Norm norm("batch", 6, 1);
  const std::vector<at::Tensor> batches = {at::randn({4, 6, 5, 5}), at::randn({8, 6, 5, 5}) * 2 + 1,
                                           at::randn({3, 6, 5, 5}) - 4};
  norm->forward(batches[2]);  // what was there before does not count
  at::Tensor mean = at::zeros_like(buffer(*norm, "running_mean")), variance = mean.clone();
  {
    AveragedStatistics averaged(*norm);
    for (const auto& batch : batches) {
      averaged.next_batch(batch.size(0));
      const auto share = static_cast<double>(batch.size(0)) / 15;
      norm->forward(batch);
      mean += batch.mean({0, 2, 3}) * share;
      variance += batch.var({0, 2, 3}, /*unbiased=*/true) * share;
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

class OneNorm : public Model {
 public:
  at::Tensor forward(const at::Tensor& images) override { return norm->forward(images); }
  torch::nn::Module& module() override { return *norm; }
  Norm norm{"batch", 3, 1};
};

TEST(Recalibrate, TheLastSmallBatchWeighsAsItsSamples) {
  OneNorm model;
  model.module().eval();
  // 512 images in parts of 500 and 12, which are another kind of images.
  const auto images = at::randn({512, 3, 2, 2});
  images.narrow(0, 500, 12).add_(100);
  recalibrate(model, 2, [&](int64_t i) {
    return i == 0 ? images.narrow(0, 0, 500) : images.narrow(0, 500, 12);
  });
  const auto expected = images.mean({0, 2, 3});  // 2.3, not 50
  EXPECT_LT((buffer(model.module(), "running_mean") - expected).abs().max().item<double>(), 1e-4);
  EXPECT_LT((buffer(model.module(), "running_var") - 1).abs().max().item<double>(), 0.2);
  EXPECT_FALSE(model.module().is_training()) << "the mode before";
}

class NormTwice : public torch::nn::Module {
 public:
  NormTwice() : norm("batch", 3, 1) {
    register_module("first", norm.ptr());
    register_module("second", norm.ptr());
  }
  Norm norm;
};

TEST(FrozenStatistics, AModuleThatIsRegisteredTwiceThawsAgain) {
  const auto module = std::make_shared<NormTwice>();
  { const FrozenStatistics frozen(*module); }
  module->norm->forward(at::ones({4, 3, 2, 2}));
  EXPECT_NEAR(buffer(*module->norm, "running_mean")[0].item<double>(), 0.1, 1e-6);
}

}  // namespace
}  // namespace unlazy::models
