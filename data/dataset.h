// Images and labels of one split, all in memory, as every data source delivers them.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/options.h"
#include "core/registry.h"

namespace unlazy::data {

/// N images with their classes. An image of 32 x 32 x 3 takes 3 KB as bytes, so a whole training
/// set fits on the device and a batch is a gather by index.
struct Dataset {
  at::Tensor images;                 // [N, H, W, 3] uint8, contiguous, RGB order
  at::Tensor labels;                 // [N] int64, 0 .. K-1
  std::vector<std::string> classes;  // K names

  int64_t size() const { return images.size(0); }
  int64_t num_classes() const { return static_cast<int64_t>(classes.size()); }
};

/// Mean and standard deviation of each channel on the scale from 0 to 1. A pixel p becomes
/// (p / 255 - mean) / stddev.
struct Normalization {
  std::array<double, 3> mean;
  std::array<double, 3> stddev;
};

/// A training and a test split, with the statistics to normalise both.
struct Splits {
  Dataset train;
  Dataset test;
  Normalization normalization;
};

/// --data, --data-dir, --train-size, --test-size, --balanced, --normalize, ...
struct DataOptions {
  std::string source = "cifar10";   // a name of sources()
  std::string dir;                  // folder of its files; empty: the source's usual places
  int64_t train_size = 0;           // 0: all
  int64_t test_size = 0;            // 0: all
  bool balanced = false;            // subsets with equally many of each class
  std::string normalize = "cifar";  // cifar, imagenet, computed, none
  int64_t resize = 0;               // image folders: 0 keeps sizes (and refuses a mixture)
  int64_t max_megapixels = 64;      // image folders: a larger image is refused before decoding
  // Not an option: a run that version 0.1.0 began goes on with its images class after class.
  bool keeps_order = false;
};
OptionTable describe(DataOptions& options);

/// What a data source delivers before subsets and statistics.
struct RawSplits {
  Dataset train;
  Dataset test;
  bool is_by_class = false;  // class after class, as image folders are read
};
using LoadSource = RawSplits(const DataOptions& options);
/// The data sources: cifar10, cifar100, cifar10-sample, image-folder.
const Registry<LoadSource>& sources();

/// Reads the source, takes the random subsets that are asked for and finds the statistics. A subset
/// is the first n samples of a random order that `seed` determines, so a smaller subset is
/// contained in a larger one. A source that is read class by class is put into that random order
/// even when all its images are taken, so the first n of a split always mix its classes. Throws
/// Error for missing, truncated or corrupt files, naming the file, its size and the expected size.
Splits load(const DataOptions& options, uint64_t seed);

}  // namespace unlazy::data
