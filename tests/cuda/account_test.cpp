// The accounting of a batch, as one thread and as the CUDA kernel on the CPU, against ATen.
#include <ATen/TensorOperators.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include "support/cuda_emulation.h"
// After the emulation, which gives the words of CUDA a meaning.
#include "cuda/account_kernels.h"

namespace unlazy::cuda {
namespace {

using testing::Order;
using Sums = std::array<double, kNumAccountSums>;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Batch {
  at::Tensor logits, labels, seen;
  double loss = 1.25;
  int64_t step = 3;
};

Batch random_batch(int64_t size, int64_t classes, c10::ScalarType dtype) {
  Batch batch;
  batch.logits = at::randn({size, classes}).to(dtype);
  batch.labels = at::randint(classes, {size}, at::kLong);
  batch.seen = at::where(at::randint(3, {size}, at::kLong) == 0,
                         at::randint(classes, {size}, at::kLong), batch.labels);
  return batch;
}

enum class How { kOneThread, kUp, kDown, kShuffled };
constexpr How kAll[] = {How::kOneThread, How::kUp, How::kDown, How::kShuffled};

template <class T>
void add(const Batch& batch, How how, Sums& sums) {
  const auto loss = static_cast<typename AccountArguments<T>::Loss>(batch.loss);
  const AccountArguments<T> arguments{static_cast<const T*>(batch.logits.const_data_ptr()),
                                      &loss,
                                      batch.labels.const_data_ptr<int64_t>(),
                                      batch.seen.const_data_ptr<int64_t>(),
                                      &batch.step,
                                      batch.logits.size(0),
                                      batch.logits.size(1),
                                      sums.data()};
  if (how == How::kOneThread) {
    int64_t counts[kNumCounts] = {};
    count_samples(arguments, 0, 1, counts);
    add_batch(arguments, counts);
    return;
  }
  const auto order = how == How::kUp     ? Order::kUp
                     : how == How::kDown ? Order::kDown
                                         : Order::kShuffled;
  testing::run_kernel({{1}, {kAccountThreads}, order, 5}, [&] { account_kernel<T>(arguments); });
}

Sums zeros() {
  Sums sums = {};
  sums[kFirstBadStep] = kInfinity;
  return sums;
}

Sums wanted(const Batch& batch) {
  const auto predicted = batch.logits.argmax(1);
  const auto right = predicted == batch.labels, flipped = batch.seen != batch.labels;
  const auto count = [](const at::Tensor& t) { return t.sum().item<double>(); };
  const auto size = static_cast<double>(batch.labels.size(0));
  return {size,
          batch.loss * size,
          count(right),
          count(flipped),
          count(right.logical_and(flipped)),
          count(flipped.logical_and(predicted == batch.seen)),
          kInfinity};
}

template <class T>
class Accounting : public ::testing::Test {
 public:
  static constexpr c10::ScalarType kDtype = std::is_same_v<T, Bf16>    ? c10::kBFloat16
                                            : std::is_same_v<T, float> ? c10::kFloat
                                                                       : c10::kDouble;
};
using Types = ::testing::Types<Bf16, float, double>;
TYPED_TEST_SUITE(Accounting, Types);

TYPED_TEST(Accounting, EqualsAten) {
  for (const int64_t size : {1, 7, 256, 300, 1024}) {
    const auto batch = random_batch(size, 10, this->kDtype);
    for (const auto how : kAll) {
      auto sums = zeros();
      add<TypeParam>(batch, how, sums);
      EXPECT_EQ(sums, wanted(batch)) << size << " samples, way " << static_cast<int>(how);
    }
  }
}

TYPED_TEST(Accounting, AddsBatches) {
  const auto first = random_batch(300, 4, this->kDtype), second = random_batch(5, 4, this->kDtype);
  for (const auto how : kAll) {
    auto sums = zeros();
    add<TypeParam>(first, how, sums);
    add<TypeParam>(second, how, sums);
    for (int i = 0; i < kFirstBadStep; ++i) {
      const auto place = static_cast<size_t>(i);
      EXPECT_EQ(sums[place], wanted(first)[place] + wanted(second)[place]) << i;
    }
  }
}

// Ties go to the first class, and nan is the greatest, as for at::argmax.
TYPED_TEST(Accounting, ChoosesTheClassThatArgmaxChooses) {
  const double nan = std::nan("");
  Batch batch;
  batch.logits =
      at::tensor({1.0, 1.0, 0.0, 2.0, nan, 3.0, nan, nan, 9.0, -kInfinity, -kInfinity, -kInfinity},
                 at::kDouble)
          .view({4, 3})
          .to(this->kDtype);
  batch.labels = batch.logits.argmax(1);
  batch.seen = batch.labels;
  ASSERT_EQ(batch.labels[2].template item<int64_t>(), 0);
  for (const auto how : kAll) {
    auto sums = zeros();
    add<TypeParam>(batch, how, sums);
    EXPECT_EQ(sums[kSumOfRight], 4);
  }
}

TYPED_TEST(Accounting, KeepsTheFirstStepWhoseLossIsNotFinite) {
  auto batch = random_batch(3, 2, this->kDtype);
  for (const auto how : kAll) {
    auto sums = zeros();
    for (const auto& [step, loss] :
         {std::pair<int64_t, double>{4, 1.0}, {5, kInfinity}, {6, std::nan("")}, {7, 1.0}}) {
      batch.step = step;
      batch.loss = loss;
      add<TypeParam>(batch, how, sums);
    }
    EXPECT_EQ(sums[kFirstBadStep], 5);
  }
}

}  // namespace
}  // namespace unlazy::cuda
