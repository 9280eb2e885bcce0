// The optimizer's kernels, run on the CPU, against LibTorch's operations.
#include <ATen/TensorOperators.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "support/cuda_emulation.h"
// The kernels need the emulation's words.
#include "cuda/update_kernels.h"

namespace unlazy::cuda {
namespace {

using testing::Launch;
using testing::Order;
using testing::run_kernel;

// Flat buffers with weights, biases and the rest.
struct Flat {
  explicit Flat(int64_t count, c10::ScalarType dtype = c10::kFloat, bool has_mask = true)
      : size(count), num_weights(count * 7 / 10), num_low(count * 9 / 10) {
    const auto places = at::arange(1, count + 1, at::TensorOptions(c10::kDouble));
    values = (places * 1.7).sin().to(dtype);
    gradients = (places * 0.9).cos().to(dtype);
    velocity = (places * 0.3).sin().to(dtype);
    shadow = at::full({num_low + 1}, 7, at::TensorOptions(c10::kBFloat16));  // one more: a guard
    if (!has_mask) return;
    mask = places.narrow(0, 0, num_weights).remainder(3).ne(0);
    gradients.narrow(0, 0, num_weights).masked_fill_(mask.logical_not(), 0);
  }

  template <class T>
  UpdateBuffers<T> buffers(bool has_velocity = true) const {
    return {values.mutable_data_ptr<T>(),
            gradients.const_data_ptr<T>(),
            has_velocity ? velocity.mutable_data_ptr<T>() : nullptr,
            mask.defined() ? mask.const_data_ptr<bool>() : nullptr,
            static_cast<Bf16*>(shadow.mutable_data_ptr()),
            size,
            num_weights,
            num_low};
  }

  void publish() const {
    if (mask.defined()) values.narrow(0, 0, num_weights).masked_fill_(mask.logical_not(), 0);
    shadow.narrow(0, 0, num_low).copy_(values.narrow(0, 0, num_low));
  }

  int64_t size, num_weights, num_low;
  at::Tensor values, gradients, velocity, mask, shadow;
};

// LibTorch's formulation, as optim/sgd.cpp has it on the CPU.
void plain_sgd(const Flat& flat, const SgdRule& rule, const at::Tensor& lr) {
  const auto part = [&](int64_t begin, int64_t end, double weight_decay) {
    const auto of = [&](const at::Tensor& whole) { return whole.narrow(0, begin, end - begin); };
    std::vector<at::Tensor> velocity;
    if (rule.momentum > 0) velocity.push_back(of(flat.velocity));
    if (begin == end) return;
    at::_fused_sgd_({of(flat.values)}, {of(flat.gradients)}, velocity, weight_decay, rule.momentum,
                    lr, /*dampening=*/0, rule.nesterov, /*maximize=*/false,
                    /*is_first_step=*/false);
  };
  part(0, rule.num_decayed, rule.weight_decay);
  part(rule.num_decayed, flat.size, 0);
  flat.publish();
}

template <class T, class Rate>
void fused_sgd(const Flat& flat, const SgdRule& rule, Rate lr, const Launch& launch) {
  run_kernel(launch, [&] { sgd_kernel<T, Rate>(flat.buffers<T>(rule.momentum > 0), rule, &lr); });
}

// The greatest distance in units of `unit`, the last place of a number near 1: a sum of terms of
// this size can lose no less where the terms cancel.
double distance(const at::Tensor& a, const at::Tensor& b, double unit) {
  return (a.to(c10::kDouble) - b.to(c10::kDouble)).abs().max().item<double>() / unit;
}

constexpr double kUnit = std::numeric_limits<float>::epsilon();
// Fewer threads than parameters, more, and as many.
const std::vector<Launch> kLaunches = {
    {{2}, {32}}, {{3}, {32}, Order::kDown}, {{40}, {32}, Order::kShuffled, 5}};

TEST(CudaUpdate, SgdHasTheBitsOfTheCpuWhereItsKernelIsVectorized) {
  // LibTorch's kernel takes whole vectors, so all of both parts have one order of operations.
  for (const bool has_mask : {false, true}) {
    for (const SgdRule& rule : std::vector<SgdRule>{{0, 0, false, 0},
                                                    {0.001, 0, false, 1280},
                                                    {0, 0.9, false, 0},
                                                    {0.001, 0.9, false, 1280},
                                                    {0.001, 0.9, true, 640}}) {
      for (const auto& launch : kLaunches) {
        const Flat fused(1280, c10::kFloat, has_mask), plain(1280, c10::kFloat, has_mask);
        for (int step = 0; step < 3; ++step) {
          plain_sgd(plain, rule, at::full({}, 0.1, at::TensorOptions(c10::kFloat)));
          fused_sgd<float>(fused, rule, 0.1f, launch);
        }
        EXPECT_TRUE(at::equal(fused.values, plain.values))
            << distance(fused.values, plain.values, kUnit) << " with " << rule.weight_decay << " "
            << rule.momentum << " " << rule.nesterov;
        EXPECT_TRUE(at::equal(fused.velocity, plain.velocity));
        EXPECT_TRUE(at::equal(fused.shadow, plain.shadow));
      }
    }
  }
}

TEST(CudaUpdate, SgdIsRightForOddSizes) {
  for (const int64_t size : {1, 2, 31, 33, 97, 1021}) {
    for (const auto& launch : kLaunches) {
      const Flat fused(size), plain(size);
      const SgdRule rule = {0.001, 0.9, true, size / 2};
      plain_sgd(plain, rule, at::full({}, 0.1, at::TensorOptions(c10::kFloat)));
      fused_sgd<float>(fused, rule, 0.1f, launch);
      EXPECT_LE(distance(fused.values, plain.values, kUnit), 2) << size;
      EXPECT_LE(distance(fused.velocity, plain.velocity, kUnit), 2) << size;
      // The bf16 copy is exactly that of the values, and nothing behind it is written.
      fused.publish();
      const Flat own(size);
      fused_sgd<float>(own, rule, 0.1f, launch);
      EXPECT_TRUE(at::equal(own.shadow, fused.shadow)) << size;
      EXPECT_EQ(own.shadow[own.num_low].item<float>(), 7) << size;
    }
  }
}

TEST(CudaUpdate, SgdInFp64ReadsTheRateInItsOwnType) {
  const Flat fused(101, c10::kDouble), narrow_rate(101, c10::kDouble), plain(101, c10::kDouble);
  const SgdRule rule = {0.001, 0.9, false, 101};
  plain_sgd(plain, rule, at::full({}, 0.1, at::TensorOptions(c10::kDouble)));
  fused_sgd<double>(fused, rule, 0.1, kLaunches[0]);
  fused_sgd<double>(narrow_rate, rule, 0.1f, kLaunches[0]);
  EXPECT_LE(distance(fused.values, plain.values, 1e-16), 10);
  EXPECT_GT(distance(narrow_rate.values, plain.values, 1e-16), 1e6);
}

TEST(CudaUpdate, PrunedWeightsArePositiveZerosAlsoInTheCopy) {
  const Flat flat(200);
  fused_sgd<float>(flat, {0.5, 0.9, false, 200}, 0.5f, kLaunches[0]);
  const auto pruned = flat.mask.logical_not();
  for (const auto& buffer : {flat.values, flat.shadow.to(c10::kFloat)}) {
    const auto weights = buffer.narrow(0, 0, flat.num_weights).masked_select(pruned);
    ASSERT_GT(weights.numel(), 40);
    EXPECT_TRUE(weights.eq(0).all().item<bool>() && !weights.signbit().any().item<bool>());
  }
  EXPECT_TRUE(
      flat.values.narrow(0, 0, flat.num_weights).masked_select(flat.mask).ne(0).all().item<bool>());
}

TEST(CudaUpdate, PerturbationIsThatOfLibTorch) {
  for (const bool is_normalized : {true, false}) {
    for (const int64_t size : {1, 33, 1021}) {
      for (const auto& launch : kLaunches) {
        const Flat fused(size), plain(size);
        const auto norm = at::linalg_vector_norm(plain.gradients);
        const float rho = 0.05f;
        const auto radius = at::full({}, rho, at::TensorOptions(c10::kFloat));
        plain.values.addcmul_(plain.gradients,
                              is_normalized ? radius / norm.clamp_min(1e-30) : radius);
        plain.publish();
        run_kernel(launch, [&] {
          perturb_kernel<float>(fused.buffers<float>(false), &rho,
                                is_normalized ? norm.const_data_ptr<float>() : nullptr);
        });
        EXPECT_LE(distance(fused.values, plain.values, kUnit), 1) << size;
        const auto low = fused.values.narrow(0, 0, fused.num_low).to(c10::kBFloat16);
        EXPECT_TRUE(at::equal(fused.shadow.narrow(0, 0, fused.num_low), low)) << size;
        EXPECT_EQ(fused.shadow[fused.num_low].item<float>(), 7) << size;
      }
    }
  }
}

TEST(CudaUpdate, AGradientOfZeroPerturbsNothingAndNanIsNotHidden) {
  const float rho = 0.05f, zero = 0, nan = std::nanf("");
  EXPECT_EQ(perturbation_scale(&rho, &zero), rho / 1e-30f);
  EXPECT_TRUE(std::isnan(perturbation_scale(&rho, &nan)));
  const Flat flat(65, c10::kFloat, false);
  const auto before = flat.values.clone();
  flat.gradients.zero_();
  run_kernel(kLaunches[0], [&] { perturb_kernel<float>(flat.buffers<float>(false), &rho, &zero); });
  EXPECT_TRUE(at::equal(flat.values, before));
}

}  // namespace
}  // namespace unlazy::cuda
