// Batch order, crops, and the gather: by hand, and three ways against each other.
#include "data/batches.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <set>

#include "core/rng.h"
#include "cuda/augment.h"
#include "data/augment.h"
#include "support/expect_error.h"

namespace unlazy::data {
namespace {

BatchOptions with_batch(int64_t size) {
  BatchOptions options;
  options.batch_size = size;
  return options;
}

TEST(BatchOrder, AnEpochVisitsEverySampleOnce) {
  BatchOrder order(103, with_batch(10), 7);
  ASSERT_EQ(order.steps_per_epoch(), 11);
  std::vector<int64_t> first, second;
  for (int64_t step = 0; step < 22; ++step) {
    const auto batch = order.indices(step);
    EXPECT_EQ(batch.size(), step % 11 == 10 ? 3u : 10u);
    auto& epoch = step < 11 ? first : second;
    epoch.insert(epoch.end(), batch.begin(), batch.end());
  }
  EXPECT_NE(first, second);
  std::vector<int64_t> all(103);
  std::iota(all.begin(), all.end(), 0);
  std::sort(first.begin(), first.end());
  std::sort(second.begin(), second.end());
  EXPECT_EQ(first, all);
  EXPECT_EQ(second, all);
}

TEST(BatchOrder, AnyStepCanBeTheFirst) {
  for (const bool with_replacement : {false, true}) {
    BatchOptions options = with_batch(8);
    options.with_replacement = with_replacement;
    BatchOrder whole(50, options, 3);
    std::vector<std::vector<int64_t>> batches;
    for (int64_t step = 0; step < 30; ++step) batches.push_back(whole.indices(step));
    for (const int64_t step : {29, 3, 11}) {
      BatchOrder resumed(50, options, 3);
      EXPECT_EQ(resumed.indices(step), batches[static_cast<size_t>(step)]);
    }
    BatchOrder other(50, options, 4);
    EXPECT_NE(other.indices(0), batches[0]);
  }
}

TEST(BatchOrder, DropLastAndReplacementCountSteps) {
  BatchOptions options = with_batch(10);
  options.drop_last = true;
  EXPECT_EQ(BatchOrder(103, options, 0).steps_per_epoch(), 10);
  options.with_replacement = true;
  BatchOrder drawn(103, options, 0);
  EXPECT_EQ(drawn.steps_per_epoch(), 11);
  EXPECT_EQ(drawn.indices(10).size(), 10u);
}

TEST(BatchOrder, DropLastMustLeaveABatch) {
  BatchOptions options = with_batch(128);
  options.drop_last = true;
  testing::expect_misuse([&] { BatchOrder(64, options, 0); },
                         "batches: --drop-last leaves no batch of 128 from 64 training images; use "
                         "--batch 64 or less");
}

// With replacement every sample is drawn with probability 1/N: chi^2 over N = 20 cells has mean 19
// and standard deviation 6.2.
TEST(BatchOrder, ReplacementIsUniform) {
  BatchOptions options = with_batch(100);
  options.with_replacement = true;
  BatchOrder order(20, options, 11);
  std::vector<double> counts(20);
  for (int64_t step = 0; step < 100; ++step) {
    for (const int64_t index : order.indices(step)) ++counts[static_cast<size_t>(index)];
  }
  double chi2 = 0;
  for (const double count : counts) chi2 += (count - 500) * (count - 500) / 500;
  EXPECT_LT(chi2, 19 + 5 * 6.2);
  EXPECT_GT(chi2, 3);  // nor too even: then it would not be random
}

// Image n has pixel value 10 n + c at (0, 0) and so on; small enough to write the expectation down.
Dataset small_images(int64_t count, int64_t height, int64_t width) {
  Dataset set;
  set.images = at::arange(count * height * width * 3)
                   .remainder(251)
                   .to(at::kByte)
                   .view({count, height, width, 3});
  set.labels = at::zeros({count}, at::kLong);
  set.classes = {"one"};
  return set;
}

constexpr Normalization kUnit = {{0, 0, 0}, {1, 1, 1}};
constexpr Normalization kSome = {{0.4914, 0.4822, 0.4465}, {0.2470, 0.2435, 0.2616}};

TEST(BatchReader, RangeIsHalfOpen) {
  EXPECT_EQ(range(2, 5), (std::vector<int64_t>{2, 3, 4}));
  EXPECT_TRUE(range(3, 3).empty());
}

TEST(BatchReader, PlainBatchIsTheNormalisedImage) {
  const auto set = small_images(4, 3, 5);
  const BatchReader reader(set, kSome, {}, 0, at::kCPU, at::kDouble);
  const auto batch = reader.plain_batch({2, 0});
  ASSERT_EQ(batch.sizes(), (std::vector<int64_t>{2, 3, 3, 5}));
  EXPECT_TRUE(batch.is_contiguous(at::MemoryFormat::ChannelsLast));
  for (int64_t c = 0; c < 3; ++c) {
    const double pixel = set.images[2][1][4][c].item<double>();
    const auto k = static_cast<size_t>(c);
    EXPECT_DOUBLE_EQ(batch[0][c][1][4].item<double>(),
                     (pixel / 255 - kSome.mean[k]) / kSome.stddev[k]);
  }
}

TEST(BatchReader, WithoutAugmentationTrainingIsPlain) {
  const auto set = small_images(6, 4, 4);
  BatchOptions options;
  options.augment = false;
  const BatchReader reader(set, kSome, options, 0, at::kCPU, at::kFloat);
  EXPECT_TRUE(at::equal(reader.training_batch({5, 1, 3}, 17), reader.plain_batch({5, 1, 3})));
}

// Padding 1 around a 2 x 3 image, crop from the upper left corner: a black first row and column,
// before normalisation.
TEST(BatchReader, PaddingIsBlackBeforeNormalisation) {
  const auto set = small_images(1, 2, 3);
  const auto table = normalization_table(kSome, at::kDouble);
  const auto out = gather_cpu(set.images, make_plan({0}, {{0, 0, false}}, false), table, 1);
  for (int64_t c = 0; c < 3; ++c) {
    const double black = -kSome.mean[static_cast<size_t>(c)] / kSome.stddev[static_cast<size_t>(c)];
    for (int64_t x = 0; x < 3; ++x) EXPECT_DOUBLE_EQ(out[0][c][0][x].item<double>(), black);
    EXPECT_DOUBLE_EQ(out[0][c][1][0].item<double>(), black);
    EXPECT_DOUBLE_EQ(out[0][c][1][1].item<double>(),
                     table[c][set.images[0][0][0][c].item<int64_t>()].item<double>());
  }
  // Mirrored: columns come in the other order.
  const auto mirrored = gather_cpu(set.images, make_plan({0}, {{0, 0, true}}, false), table, 1);
  EXPECT_TRUE(at::equal(mirrored, out.flip({3})));
}

// Every crop of a batch with padding larger than the image, three ways, in all dtypes: the same
// bits.
TEST(BatchReader, ThreeWaysGiveTheSameBits) {
  for (const auto& [height, width, padding] :
       {std::tuple{5, 7, 3}, {4, 4, 6}, {32, 32, 4}, {3, 2, 0}}) {
    const auto set = small_images(9, height, width);
    std::vector<int64_t> indices;
    std::vector<Crop> crops;
    for (int top = 0; top <= 2 * padding; ++top) {
      for (int left = 0; left <= 2 * padding; ++left) {
        indices.push_back((7 * top + left) % 9);
        crops.push_back({top, left, (top + left) % 2 == 1});
      }
    }
    const auto plan = make_plan(indices, crops, false);
    for (const auto dtype : {at::kFloat, at::kBFloat16, at::kDouble}) {
      const auto table = normalization_table(kSome, dtype);
      const auto by_loop = gather_cpu(set.images, plan, table, padding);
      const auto by_operators = gather_aten(set.images, plan, table, padding);
      EXPECT_TRUE(at::equal(by_loop, by_operators));
      EXPECT_EQ(by_loop.strides(), by_operators.strides());
      if (dtype != at::kFloat) continue;
      const auto by_pixel = at::empty({plan.size(0), height, width, 3}, at::kFloat);
      for (int64_t place = 0; place < plan.size(0) * height * width; ++place) {
        cuda::augment_pixel<float>(set.images.const_data_ptr<uint8_t>(),
                                   plan.const_data_ptr<int64_t>(), table.const_data_ptr<float>(),
                                   {height, width, padding}, place,
                                   by_pixel.mutable_data_ptr<float>());
      }
      EXPECT_TRUE(at::equal(by_loop, by_pixel.permute({0, 3, 1, 2})));
    }
  }
}

TEST(BatchReader, CropsAreAFunctionOfSeedAndStep) {
  const auto set = small_images(4, 8, 8);
  const BatchReader reader(set, kUnit, {}, 5, at::kCPU, at::kFloat),
      again(set, kUnit, {}, 5, at::kCPU, at::kFloat),
      other(set, kUnit, {}, 6, at::kCPU, at::kFloat);
  const std::vector<int64_t> batch = {0, 1, 2, 3, 0, 1, 2, 3};
  const auto at_9 = reader.training_batch(batch, 9);
  EXPECT_TRUE(at::equal(at_9, again.training_batch(batch, 9)));
  EXPECT_FALSE(at::equal(at_9, again.training_batch(batch, 10)));
  EXPECT_FALSE(at::equal(at_9, other.training_batch(batch, 9)));
}

// 81 crop places and both orientations are equally likely: chi^2 with 161 degrees of freedom,
// standard deviation 17.9.
TEST(BatchReader, CropsAreUniform) {
  const auto set = small_images(1, 8, 8);
  const BatchReader reader(set, kUnit, {}, 1, at::kCPU, at::kFloat);
  std::vector<double> counts(162);
  const int64_t draws = 162 * 200;
  for (const auto& crop : reader.crops(0, draws)) {
    ASSERT_GE(crop.top, 0);
    ASSERT_LE(crop.top, 8);
    ++counts.at(static_cast<size_t>((crop.top * 9 + crop.left) * 2 + (crop.is_flipped ? 1 : 0)));
  }
  double chi2 = 0;
  for (const double count : counts) chi2 += (count - 200) * (count - 200) / 200;
  EXPECT_LT(chi2, 161 + 5 * 17.9);
  EXPECT_GT(chi2, 161 - 5 * 17.9);
}

TEST(BatchReader, RefusesImagesWithoutThreeChannels) {
  auto set = small_images(4, 8, 8);
  set.images = set.images.slice(3, 0, 1).contiguous();
  testing::expect_error([&] { BatchReader(set, kUnit, {}, 5, at::kCPU, at::kFloat); },
                        "batches: images are [N, H, W, 3], red, green and blue; got [4, 8, 8, 1]");
}

TEST(BatchReader, RefusesASampleThatIsNotThere) {
  const auto set = small_images(4, 8, 8);
  const BatchReader reader(set, kUnit, {}, 5, at::kCPU, at::kFloat);
  testing::expect_error(
      [&] {
        reader.plain_batch({1, 4});
      },
      "batches: there is no sample 4; there are 4");
}

}  // namespace
}  // namespace unlazy::data
