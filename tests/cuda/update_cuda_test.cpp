// The optimizer's kernels on a GPU; the label is cuda.
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>

#include <utility>

#include "optim/optimizer.h"
#include "support/cuda.h"
#ifdef UNLAZY_HAS_CUDA
#include "cuda/update_launch.h"
#endif

namespace unlazy::optim {
namespace {

struct OddModule : torch::nn::Module {
  OddModule() {
    const auto values = at::arange(1, 1001, at::TensorOptions(c10::kDouble)).sin();
    register_parameter("layer_weight", values.view({20, 50}).clone());
    register_parameter("layer_bias", values.narrow(0, 0, 33).clone());
  }
};

class CudaUpdateOnGpu : public testing::CudaTest {};

TEST_F(CudaUpdateOnGpu, KernelsAgreeWithLibTorch) {
#ifdef UNLAZY_HAS_CUDA
  EXPECT_TRUE(cuda::updates_agree(c10::Device(c10::kCUDA, 0)));
#else
  GTEST_SKIP() << "built without CUDA";
#endif
}

// The values after three updates of a quadratic loss with a mask.
at::Tensor trained(const OptimizerOptions& options, const c10::Device& device,
                   c10::ScalarType dtype) {
  OddModule module;
  FlatParameters flat(module, device, dtype);
  const auto mask = at::arange(1000, at::TensorOptions(device)).remainder(3).ne(0);
  flat.set_mask(mask);
  const auto optimizer = make_optimizer(options, flat);
  const auto scalar = [&](double value) { return at::full({}, value, flat.values().options()); };
  for (int step = 0; step < 3; ++step) {
    optimizer->step(
        [&](bool, const Span&) {
          flat.gradients().copy_(flat.values() * 0.5 + 0.25);
          flat.zero_pruned_(flat.gradients());
        },
        {.lr = scalar(0.1), .rho = scalar(0.05), .is_perturbed = options.name == "sam"});
  }
  if (dtype == c10::kBFloat16) {
    EXPECT_EQ((flat.published() - flat.values().to(c10::kBFloat16)).abs().sum().item<float>(), 0);
  }
  return flat.values();
}

TEST_F(CudaUpdateOnGpu, UpdatesAreThoseOfTheCpu) {
  for (const char* name : {"sgd", "sam"}) {
    for (const char* decay : {"all", "weights"}) {
      for (const bool nesterov : {false, true}) {
        OptimizerOptions options;
        options.name = name;
        options.decay = decay;
        options.momentum = 0.9;
        options.nesterov = nesterov;
        options.weight_decay = 0.01;
        for (const auto& [dtype, bound] :
             {std::pair{c10::kDouble, 1e-14}, std::pair{c10::kFloat, 1e-5},
              std::pair{c10::kBFloat16, 1e-5}}) {
          EXPECT_LT(testing::relative_error(trained(options, c10::Device(c10::kCUDA, 0), dtype),
                                            trained(options, c10::kCPU, dtype)),
                    bound)
              << name << " " << decay << " " << nesterov << " " << c10::toString(dtype);
        }
      }
    }
  }
}

}  // namespace
}  // namespace unlazy::optim
