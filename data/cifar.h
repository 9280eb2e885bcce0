// Reads and writes CIFAR's binary format: records of label bytes and 3 x 1024 planar pixels.
//              files                             label bytes          class names
//   CIFAR-10   data_batch_1..5.bin,              1                    batches.meta.txt
//              test_batch.bin
//   CIFAR-100  train.bin, test.bin               coarse, then fine    fine_label_names.txt
// Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009;
// https://www.cs.toronto.edu/~kriz/cifar.html
// A file with fewer records than the original is accepted as an excerpt if all its records are
// whole. When the file of names is there, the number of classes is the number of names. So any data
// set of 32 x 32 images with at most 256 classes fits the format.
#pragma once

#include <string>

#include "data/dataset.h"

namespace unlazy::data {

/// Reads CIFAR-10's files. `source` names it in messages and says where to look when `dir` is empty
/// (data/places.h). Throws Error for a file that is missing, empty or not a whole number of
/// records, and for a label without a class.
RawSplits read_cifar10(const std::string& source, const std::string& dir);
/// The same for CIFAR-100; the fine labels are the classes.
RawSplits read_cifar100(const std::string& source, const std::string& dir);

/// Writes both splits into `dir` in CIFAR-10's format. The training images keep their order, in
/// five files of nearly equal size. Throws Error for images that are not 32 x 32, more than 256
/// classes or fewer than 5 training images.
void write_cifar10(const std::string& dir, const RawSplits& splits);

}  // namespace unlazy::data
