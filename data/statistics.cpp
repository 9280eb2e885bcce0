#include "data/statistics.h"

#include <array>
#include <cmath>
#include <mutex>

#include <ATen/Parallel.h>

#include "core/error.h"

namespace unlazy::data {
namespace {

// The 50,000 training images, each channel over all pixels; `unlazy data info` computes the same.
constexpr Normalization kCifar = {{0.4914, 0.4822, 0.4465}, {0.2470, 0.2435, 0.2616}};
// The values that torchvision's documentation gives for models trained on ImageNet.
constexpr Normalization kImageNet = {{0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}};
constexpr Normalization kNone = {{0, 0, 0}, {1, 1, 1}};

using Histogram = std::array<std::array<int64_t, 256>, 3>;

Histogram count_values(const at::Tensor& images) {
  const auto* pixels = images.const_data_ptr<uint8_t>();
  Histogram total{};
  std::mutex mutex;
  at::parallel_for(0, images.numel() / 3, 1 << 18, [&](int64_t begin, int64_t end) {
    Histogram part{};
    for (int64_t i = begin; i < end; ++i) {
      for (size_t c = 0; c < 3; ++c) ++part[c][pixels[3 * i + static_cast<int64_t>(c)]];
    }
    const std::lock_guard lock(mutex);
    for (size_t c = 0; c < 3; ++c) {
      for (size_t v = 0; v < 256; ++v) total[c][v] += part[c][v];
    }
  });
  return total;
}

}  // namespace

std::vector<int64_t> class_counts(const Dataset& split) {
  std::vector<int64_t> counts(split.classes.size());
  const auto* labels = split.labels.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < split.size(); ++i) ++counts[static_cast<size_t>(labels[i])];
  return counts;
}

Normalization pixel_statistics(const at::Tensor& images) {
  const Histogram histogram = count_values(images);
  const double count = static_cast<double>(images.numel()) / 3;
  Normalization result{};
  for (size_t c = 0; c < 3; ++c) {
    double sum = 0, squares = 0;
    for (int v = 0; v < 256; ++v) {
      const auto times = static_cast<double>(histogram[c][static_cast<size_t>(v)]);
      sum += times * v;
      squares += times * v * v;
    }
    const double mean = sum / count;
    result.mean[c] = mean / 255;
    result.stddev[c] = std::sqrt(std::max(0.0, squares / count - mean * mean)) / 255;
  }
  return result;
}

std::vector<Choice> normalizations() {
  return {{"cifar",
           "mean .4914 .4822 .4465 and standard deviation .2470 .2435 .2616: CIFAR-10's training "
           "images"},
          {"imagenet", "mean .485 .456 .406 and standard deviation .229 .224 .225"},
          {"computed", "from the training images in use"},
          {"none", "pixels on the scale from 0 to 1"}};
}

Normalization find_normalization(const std::string& name, const Dataset& train) {
  if (name == "cifar") return kCifar;
  if (name == "imagenet") return kImageNet;
  if (name == "none") return kNone;
  UNLAZY_CHECK_USAGE(name == "computed", "--normalize: there is no '", name, "'");
  const auto result = pixel_statistics(train.images);
  for (const double stddev : result.stddev) {
    UNLAZY_CHECK(stddev > 0,
                 "data: a colour channel is the same in all pixels of the training images, so that "
                 "it cannot be "
                 "normalised; use --normalize none");
  }
  return result;
}

}  // namespace unlazy::data
