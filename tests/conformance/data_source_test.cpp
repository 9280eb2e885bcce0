// What every data source must hold, on a small data set in its own format; and what noise must
// leave alone.
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "core/files.h"
#include "core/rng.h"
#include "data/batches.h"
#include "data/cifar.h"
#include "data/dataset.h"
#include "data/image_folder.h"
#include "data/statistics.h"
#include "noise/label_noise.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"

namespace unlazy::data {
namespace {

using testing::ScratchFolder;

// 60 training and 20 test images of the sample.
RawSplits few_images() {
  DataOptions options;
  options.source = "cifar10-sample";
  options.train_size = 60;
  options.test_size = 20;
  options.balanced = true;
  const auto splits = load(options, 1);
  return {splits.train, splits.test};
}

// CIFAR-100's records, written here on their own: coarse label 7, then the class, then the planes.
void write_cifar100_file(const std::string& path, const Dataset& split) {
  std::string bytes;
  const auto planes = split.images.permute({0, 3, 1, 2}).contiguous();
  for (int64_t i = 0; i < split.size(); ++i) {
    bytes += static_cast<char>(7);
    bytes += static_cast<char>(split.labels[i].item<int64_t>());
    bytes.append(static_cast<const char*>(planes[i].const_data_ptr()), 3072);
  }
  write_file(path, bytes);
}

using Write = std::function<void(const std::string& dir, const RawSplits& splits)>;
const std::map<std::string, Write>& writers() {
  static const std::map<std::string, Write> map = {
      {"cifar10", write_cifar10},
      {"cifar10-sample", write_cifar10},
      {"cifar100",
       [](const std::string& dir, const RawSplits& splits) {
         write_cifar100_file(dir + "/train.bin", splits.train);
         write_cifar100_file(dir + "/test.bin", splits.test);
       }},
      {"image-folder",
       [](const std::string& dir, const RawSplits& splits) {
         write_class_folders(dir + "/train", splits.train);
         write_class_folders(dir + "/test", splits.test);
       }},
  };
  return map;
}

class DataSourceConformance : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(writers().contains(GetParam()))
        << "say how to write a small data set for this source";
    writers().at(GetParam())(folder_.path(), few_images());
    options_.source = GetParam();
    options_.dir = folder_.path();
  }
  ScratchFolder folder_;
  DataOptions options_;
};

TEST_P(DataSourceConformance, DeliversWhatTheContractSays) {
  const auto splits = load(options_, 0);
  for (const auto* split : {&splits.train, &splits.test}) {
    EXPECT_EQ(split->images.scalar_type(), at::kByte);
    EXPECT_TRUE(split->images.is_contiguous());
    EXPECT_EQ(split->labels.scalar_type(), at::kLong);
    EXPECT_EQ(split->images.size(3), 3);
    EXPECT_EQ(split->labels.size(0), split->size());
    EXPECT_GE(split->labels.min().item<int64_t>(), 0);
    EXPECT_LT(split->labels.max().item<int64_t>(), split->num_classes());
  }
  EXPECT_EQ(splits.train.classes, splits.test.classes);
}

// The same images with the same classes, whatever the order.
TEST_P(DataSourceConformance, ImagesAreThoseWritten) {
  const auto splits = load(options_, 0);
  const auto written = few_images();
  ASSERT_EQ(splits.train.size(), 60);
  ASSERT_EQ(splits.test.size(), 20);
  for (int64_t i = 0; i < 60; ++i) {
    const auto place = written.train.images.eq(splits.train.images[i]).flatten(1).all(1).nonzero();
    ASSERT_EQ(place.numel(), 1);
    EXPECT_EQ(written.train.labels[place.item<int64_t>()].item<int64_t>(),
              splits.train.labels[i].item<int64_t>());
  }
}

TEST_P(DataSourceConformance, LoadingTwiceGivesTheSame) {
  options_.train_size = 33;
  const auto first = load(options_, 5), second = load(options_, 5);
  EXPECT_TRUE(at::equal(first.train.images, second.train.images));
  EXPECT_TRUE(at::equal(first.train.labels, second.train.labels));
}

TEST_P(DataSourceConformance, MissingFolderIsNamed) {
  options_.dir = folder_ / "none";
  try {
    load(options_, 0);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(
        std::string(error.what()).rfind(GetParam() + ": there is no folder " + options_.dir, 0), 0u)
        << error.what();
  }
}

std::vector<std::string> names() {
  std::vector<std::string> list;
  for (const auto& entry : sources().entries()) list.push_back(entry.name);
  return list;
}

INSTANTIATE_TEST_SUITE_P(All, DataSourceConformance, ::testing::ValuesIn(names()),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// Labels drawn from the noise stream leave the order of the samples and the crops of the same steps
// as they were.
TEST(BatchesUnderNoise, OrderAndCropsDoNotDependOnNoise) {
  const auto raw = few_images();
  BatchOptions options;
  options.batch_size = 16;
  const auto run = [&](const std::string& kind, double rate) {
    BatchOrder order(raw.train.size(), options, 9);
    const BatchReader reader(raw.train, {{0, 0, 0}, {1, 1, 1}}, options, 9, at::kCPU, at::kFloat);
    noise::NoiseContext context;
    context.options.kind = kind;
    context.options.rate = rate;
    context.num_classes = raw.train.num_classes();
    context.seed = 9;
    const auto noise = noise::make_noise(context);
    std::vector<at::Tensor> batches;
    for (int64_t step = 0; step < 9; ++step) {
      const auto indices = order.indices(step);
      std::vector<int64_t> labels(indices.size(), 3);
      Rng rng(9, Stream::kNoise, static_cast<uint64_t>(step));
      noise->labels(indices, labels, 1, rng, labels);
      batches.push_back(reader.training_batch(indices, step));
    }
    return batches;
  };
  const auto clean = run("none", 0);
  for (const auto& entry : noise::registry().entries()) {
    noise::NoiseContext context;
    context.options.kind = entry.name;
    context.num_classes = 10;
    if (entry.name == "none" || noise::make_noise(context)->is_for_targets()) continue;
    const auto noisy = run(entry.name, .5);
    for (size_t step = 0; step < clean.size(); ++step)
      EXPECT_TRUE(at::equal(clean[step], noisy[step])) << entry.name;
  }
}

// The streams of one seed and step are not the same numbers: their signs agree half of the time.
TEST(BatchesUnderNoise, StreamsAreIndependent) {
  const Stream streams[] = {Stream::kOrder, Stream::kAugment, Stream::kNoise, Stream::kProbe,
                            Stream::kData};
  constexpr int kDraws = 10000;
  for (const Stream a : streams) {
    for (const Stream b : streams) {
      if (a >= b) continue;
      Rng first(1, a, 4), second(1, b, 4);
      double sum = 0;
      for (int i = 0; i < kDraws; ++i) sum += first.sign() * second.sign();
      EXPECT_LT(std::abs(sum), 5 * std::sqrt(kDraws));
    }
  }
}

}  // namespace
}  // namespace unlazy::data
