// Images and labels of one split, whole in memory, as every data source delivers them.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/options.h"
#include "core/registry.h"

namespace unlazy::data {

/// N images with their classes. 9.2 KB an image for 32 x 32 x 3: a training set fits on the device
/// whole, and a batch is a gather by index.
struct Dataset {
  at::Tensor images;                 // [N, H, W, 3] uint8, contiguous, RGB order
  at::Tensor labels;                 // [N] int64, 0 .. K-1
  std::vector<std::string> classes;  // K names

  int64_t size() const { return images.size(0); }
  int64_t num_classes() const { return static_cast<int64_t>(classes.size()); }
};

/// Mean and standard deviation of each channel on the 0..1 scale: a pixel p becomes (p / 255 -
/// mean) / stddev.
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
  std::string dir;                  // where its files lie; empty: the source's own default
  int64_t train_size = 0;           // 0: all
  int64_t test_size = 0;            // 0: all
  bool balanced = false;            // subsets with equally many of each class
  std::string normalize = "cifar";  // cifar, imagenet, computed, none
  int64_t resize = 0;               // image folders: 0 keeps sizes (and refuses a mixture)
  int64_t max_megapixels = 64;      // image folders: a larger image is refused before decoding
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

/// Reads the source, takes the random subsets asked for (a function of `seed`: the first n of a
/// random order, so that a smaller subset is contained in a larger one) and finds the statistics.
/// A source that is read class by class is put into that random order also where all images are
/// taken, so that the first n of a split are always a fair mixture of its classes.
/// Throws Error for missing, truncated or corrupt files, naming file, size found and size expected.
Splits load(const DataOptions& options, uint64_t seed);

}  // namespace unlazy::data
