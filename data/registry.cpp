// The data sources: one line each.
#include "core/error.h"
#include "data/cifar.h"
#include "data/dataset.h"
#include "data/image_folder.h"

namespace unlazy::data {
namespace {

RawSplits load_cifar10(const DataOptions& options) { return read_cifar10("cifar10", options.dir); }
RawSplits load_cifar10_sample(const DataOptions& options) {
  return read_cifar10("cifar10-sample", options.dir);
}
RawSplits load_cifar100(const DataOptions& options) {
  return read_cifar100("cifar100", options.dir);
}
RawSplits load_image_folder(const DataOptions& options) {
  UNLAZY_CHECK_USAGE(!options.dir.empty(), "image-folder: which folder? Name it with --data-dir");
  return read_image_folder(options);
}

}  // namespace

const Registry<LoadSource>& sources() {
  static const Registry<LoadSource> registry(
      "--data",
      {
          {"cifar10", "CIFAR-10 in its binary format", load_cifar10},
          {"cifar100", "CIFAR-100 in its binary format, fine labels", load_cifar100},
          {"cifar10-sample",
           "2,500 training and 500 test images of CIFAR-10 that come with the program",
           load_cifar10_sample},
          {"image-folder", "PNG and JPEG files in train/CLASS and test/CLASS of --data-dir",
           load_image_folder},
      });
  return registry;
}

}  // namespace unlazy::data
