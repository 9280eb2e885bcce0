#include "data/dataset.h"

#include <ATen/ops/tensor.h>

#include "core/error.h"
#include "core/rng.h"
#include "data/statistics.h"

namespace unlazy::data {
namespace {

// Draws of the subsets, far from the epochs that the same stream counts from 0.
constexpr uint64_t kTrainSubset = uint64_t{1} << 40;
constexpr uint64_t kTestSubset = kTrainSubset + 1;

// Of `order`, the samples that keep every class within `per_class`.
std::vector<int64_t> keep_balanced(const std::vector<int64_t>& order, const Dataset& split,
                                   int64_t per_class) {
  const auto* labels = split.labels.const_data_ptr<int64_t>();
  std::vector<int64_t> taken(split.classes.size());
  std::vector<int64_t> chosen;
  for (const int64_t sample : order) {
    if (taken[static_cast<size_t>(labels[sample])]++ < per_class) chosen.push_back(sample);
  }
  return chosen;
}

void check_balance(const Dataset& split, int64_t size, const std::string& flag) {
  const int64_t num_classes = split.num_classes();
  UNLAZY_CHECK_USAGE(size % num_classes == 0, "data: ", flag, " ", size,
                     " cannot be balanced over ", num_classes, " classes; use a multiple of ",
                     num_classes);
  const auto counts = class_counts(split);
  for (size_t k = 0; k < counts.size(); ++k) {
    UNLAZY_CHECK_USAGE(counts[k] >= size / num_classes, "data: ", flag, " ", size,
                       " with --balanced needs ", size / num_classes,
                       " images of each class, but there are ", counts[k], " of '",
                       split.classes[k], "'");
  }
}

// `size` random images, or for 0 all: in the order of the source, or shuffled.
Dataset subset(const Dataset& split, int64_t size, bool is_balanced, bool is_shuffled, Rng rng,
               const std::string& flag) {
  if (size == 0 && !is_shuffled) return split;
  if (size == 0) {
    size = split.size();
    is_balanced = false;
  }
  UNLAZY_CHECK_USAGE(size <= split.size(), "data: ", flag, " ", size, " is more than the ",
                     split.size(), " images there are");
  if (is_balanced) check_balance(split, size, flag);
  auto order = rng.permutation(split.size());
  if (is_balanced) {
    order = keep_balanced(order, split, size / split.num_classes());
  } else {
    order.resize(static_cast<size_t>(size));
  }
  const auto chosen = at::tensor(order, at::kLong);
  return {split.images.index_select(0, chosen), split.labels.index_select(0, chosen),
          split.classes};
}

}  // namespace

OptionTable describe(DataOptions& options) {
  const std::vector<OnlyFor> with_folder = {{"data", {"image-folder"}}};
  return {
      "Data",
      {{.name = "data",
        .target = &options.source,
        .help = "Data set.",
        .choices = sources().choices(),
        .is_common = true},
       {.name = "data-dir",
        .target = &options.dir,
        .help = "Folder of the data set; empty: searched for in $UNLAZY_DATA_DIR, data and "
                "~/.cache/unlazy.",
        .role = Role::kPlace,
        .is_common = true},
       {.name = "train-size",
        .target = &options.train_size,
        .range = Range::at_least(0),
        .unit = "images",
        .help = "Random subset of the training images, contained in every larger one; 0: all, in "
                "the order of the files (image folders: in a random order, a function of the "
                "seed).",
        .is_common = true},
       {.name = "test-size",
        .target = &options.test_size,
        .range = Range::at_least(0),
        .unit = "images",
        .help = "Random subset of the test images; 0: all."},
       {.name = "balanced",
        .target = &options.balanced,
        .help = "Use equally many images of each class in the subsets."},
       {.name = "normalize",
        .target = &options.normalize,
        .help = "Mean and standard deviation used to normalise the pixels.",
        .choices = normalizations()},
       {.name = "resize",
        .target = &options.resize,
        .range = Range::closed(0, 4096),
        .unit = "pixels",
        .help = "Image folders: scale every image to a square with this side, ignoring its "
                "proportions; 0: do not scale.",
        .only_for = with_folder},
       {.name = "max-megapixels",
        .target = &options.max_megapixels,
        .range = Range::closed(1, 1000),
        .unit = "million pixels",
        .help = "Image folders: refuse a larger image before it is decoded; a decoded image takes "
                "3 bytes per pixel and thread.",
        .role = Role::kPlace,
        .only_for = with_folder}}};
}

Splits load(const DataOptions& options, uint64_t seed) {
  const auto& source = sources().find(options.source);
  UNLAZY_CHECK_USAGE(!options.balanced || options.train_size > 0 || options.test_size > 0,
                     "data: --balanced needs --train-size or --test-size");
  const RawSplits raw = source.make(options);
  const bool is_shuffled = raw.is_by_class && !options.keeps_order;
  Splits splits;
  splits.train = subset(raw.train, options.train_size, options.balanced, is_shuffled,
                        Rng(seed, Stream::kOrder, kTrainSubset), "--train-size");
  splits.test = subset(raw.test, options.test_size, options.balanced, is_shuffled,
                       Rng(seed, Stream::kOrder, kTestSubset), "--test-size");
  splits.normalization = find_normalization(options.normalize, splits.train);
  return splits;
}

}  // namespace unlazy::data
