// CIFAR's binary format: layout by hand, round trips, and the exact texts for every kind of bad
// file.
#include "data/cifar.h"

#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <set>

#include "core/files.h"
#include "data/dataset.h"
#include "data/places.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"

namespace unlazy::data {
namespace {

using testing::expect_error;
using testing::ScratchFolder;

// A record whose pixel at (y, x) of plane c is y + 2 x + 50 c.
std::string record(const std::vector<int>& labels) {
  std::string bytes;
  for (const int label : labels) bytes += static_cast<char>(label);
  for (int c = 0; c < 3; ++c) {
    for (int i = 0; i < 1024; ++i) bytes += static_cast<char>(i / 32 + 2 * (i % 32) + 50 * c);
  }
  return bytes;
}

// One record in each file, labels 0 to 5.
void write_small_cifar10(const ScratchFolder& folder) {
  for (int i = 1; i <= 5; ++i)
    write_file(folder / ("data_batch_" + std::to_string(i) + ".bin"), record({i - 1}));
  write_file(folder / "test_batch.bin", record({5}));
}

RawSplits read(const ScratchFolder& folder) { return read_cifar10("cifar10", folder.path()); }

TEST(Cifar, RecordIsLabelThenPlanes) {
  const ScratchFolder folder;
  write_small_cifar10(folder);
  const auto splits = read(folder);
  ASSERT_EQ(splits.train.images.sizes(), (std::vector<int64_t>{5, 32, 32, 3}));
  ASSERT_EQ(splits.test.size(), 1);
  for (int64_t i = 0; i < 5; ++i) EXPECT_EQ(splits.train.labels[i].item<int64_t>(), i);
  EXPECT_EQ(splits.test.labels[0].item<int64_t>(), 5);
  for (const auto& [y, x] : {std::pair{0, 0}, {0, 31}, {31, 0}, {7, 19}}) {
    for (int c = 0; c < 3; ++c) {
      EXPECT_EQ(splits.train.images[3][y][x][c].item<int64_t>(), y + 2 * x + 50 * c)
          << y << " " << x << " " << c;
    }
  }
}

TEST(Cifar, HundredHasCoarseThenFineLabel) {
  const ScratchFolder folder;
  write_file(folder / "train.bin", record({3, 99}) + record({19, 42}));
  write_file(folder / "test.bin", record({0, 7}));
  const auto splits = read_cifar100("cifar100", folder.path());
  EXPECT_EQ(splits.train.labels[0].item<int64_t>(), 99);
  EXPECT_EQ(splits.train.labels[1].item<int64_t>(), 42);
  EXPECT_EQ(splits.test.labels[0].item<int64_t>(), 7);
  EXPECT_EQ(splits.train.images[1][2][3][1].item<int64_t>(), 2 + 6 + 50);
  const std::set<std::string> names(splits.train.classes.begin(), splits.train.classes.end());
  EXPECT_EQ(names.size(), 100u);
  EXPECT_TRUE(std::is_sorted(splits.train.classes.begin(), splits.train.classes.end()));
}

TEST(Cifar, NamesComeFromTheFileWhenItIsThere) {
  const ScratchFolder folder;
  write_small_cifar10(folder);
  EXPECT_EQ(read(folder).train.classes[9], "truck");
  write_file(folder / "batches.meta.txt", "a\r\nb\nc\nd\ne\nf\n\n");
  EXPECT_EQ(read(folder).test.classes, (std::vector<std::string>{"a", "b", "c", "d", "e", "f"}));
}

TEST(Cifar, WritingReadsBack) {
  const ScratchFolder folder;
  write_small_cifar10(folder);
  auto splits = read(folder);
  splits.train.images = splits.train.images.repeat({3, 1, 1, 1})
                            .index_select(0, splits.train.labels.repeat(2))
                            .contiguous();
  splits.train.images[7].zero_();
  splits.train.labels = splits.train.labels.repeat(2);
  const ScratchFolder copy;
  write_cifar10(copy.path(), splits);
  const auto again = read(copy);
  EXPECT_TRUE(at::equal(again.train.images, splits.train.images));
  EXPECT_TRUE(at::equal(again.train.labels, splits.train.labels));
  EXPECT_TRUE(at::equal(again.test.images, splits.test.images));
  EXPECT_EQ(again.train.classes, splits.train.classes);
}

TEST(Cifar, ArchiveFolderInsideDataDirIsFound) {
  const ScratchFolder folder;
  std::filesystem::create_directory(folder / "cifar-10-batches-bin");
  for (int i = 1; i <= 5; ++i) {
    write_file(folder / ("cifar-10-batches-bin/data_batch_" + std::to_string(i) + ".bin"),
               record({0}));
  }
  write_file(folder / "cifar-10-batches-bin/test_batch.bin", record({0}));
  EXPECT_EQ(read(folder).train.size(), 5);
}

TEST(Cifar, MissingFolder) {
  expect_error([] { read_cifar10("cifar10", "/no/such/folder"); },
               "cifar10: there is no folder /no/such/folder; get it with tools/fetch_cifar10.sh");
}

TEST(Cifar, MissingFile) {
  const ScratchFolder folder;
  write_small_cifar10(folder);
  std::filesystem::remove(folder / "data_batch_4.bin");
  expect_error([&] { read(folder); }, "cifar10: there is no " + folder.path() +
                                          "/data_batch_4.bin; get it with tools/fetch_cifar10.sh");
}

TEST(Cifar, TruncatedFile) {
  const ScratchFolder folder;
  write_small_cifar10(folder);
  write_file(folder / "data_batch_3.bin", std::string(1000, '\0'));
  expect_error([&] { read(folder); }, "cifar10: " + folder.path() +
                                          "/data_batch_3.bin has 1000 bytes, expected 30730000 (an "
                                          "excerpt: a multiple of 3073); get it with "
                                          "tools/fetch_cifar10.sh");
}

TEST(Cifar, EmptyFile) {
  const ScratchFolder folder;
  write_small_cifar10(folder);
  write_file(folder / "test_batch.bin", "");
  expect_error([&] { read(folder); }, "cifar10: " + folder.path() +
                                          "/test_batch.bin has 0 bytes, expected 30730000 (an "
                                          "excerpt: a multiple of 3073); get it with "
                                          "tools/fetch_cifar10.sh");
}

TEST(Cifar, LabelWithoutClass) {
  const ScratchFolder folder;
  write_small_cifar10(folder);
  write_file(folder / "data_batch_2.bin", record({1}) + record({10}));
  expect_error([&] { read(folder); }, "cifar10: " + folder.path() +
                                          "/data_batch_2.bin record 1 has label 10, expected 0 to "
                                          "9; get it with tools/fetch_cifar10.sh");
}

TEST(Cifar, TooLargeOrTooManyForTheFormat) {
  const ScratchFolder folder;
  write_small_cifar10(folder);
  auto splits = read(folder);
  auto cropped = splits;
  cropped.train.images = splits.train.images.slice(1, 0, 28).contiguous();
  expect_error(
      [&] { write_cifar10(folder / "out", cropped); },
      "pack: CIFAR-10's format holds 32 x 32 images, got 32 x 28; scale them with --resize 32");
  splits.train.classes.resize(257);
  expect_error([&] { write_cifar10(folder / "out", splits); },
               "pack: CIFAR-10's format holds at most 256 classes, got 257");
}

// Sets the places that a source is looked for in.
class Environment {
 public:
  explicit Environment(const std::string& dir) {
    ::setenv("UNLAZY_DATA_DIR", dir.c_str(), 1);
    ::setenv("HOME", (dir + "/home").c_str(), 1);
  }
  ~Environment() {
    ::unsetenv("UNLAZY_DATA_DIR");
    home_.empty() ? ::unsetenv("HOME") : ::setenv("HOME", home_.c_str(), 1);
  }

 private:
  std::string home_ = std::getenv("HOME") == nullptr ? "" : std::getenv("HOME");
};

TEST(Places, NothingFoundSaysWhereItLooked) {
  const ScratchFolder folder;
  const Environment environment(folder.path());
  const std::string file = "train.bin";
  expect_error([&] { find_folder("cifar100", "", file, "do this"); },
               "cifar100: there is no train.bin in any of " + folder.path() +
                   "/cifar-100-binary, " + folder.path() + ", data/cifar-100-binary, " +
                   folder.path() + "/home/.cache/unlazy/cifar-100-binary; do this");
}

TEST(Places, DataDirOfTheEnvironmentComesFirst) {
  const ScratchFolder folder;
  write_small_cifar10(folder);
  const Environment environment(folder.path());
  EXPECT_EQ(find_folder("cifar10", "", "data_batch_1.bin", ""), folder.path());
  bool is_listed = false;
  for (const auto& found : found_sources())
    is_listed |= found.source == "cifar10" && found.dir == folder.path();
  EXPECT_TRUE(is_listed);
}

TEST(Sample, HasTheImagesOfEachBatch) {
  DataOptions options;
  options.source = "cifar10-sample";
  const auto splits = sources().find(options.source).make(options);
  EXPECT_EQ(splits.train.size(), 2500);
  EXPECT_EQ(splits.test.size(), 500);
  // CIFAR-10 begins with a frog, two trucks, a deer and an automobile; its test set with a cat.
  const std::vector<int64_t> first = {6, 9, 9, 4, 1};
  for (size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(splits.train.labels[static_cast<int64_t>(i)].item<int64_t>(), first[i]);
  }
  EXPECT_EQ(splits.test.labels[0].item<int64_t>(), 3);
  // Known pixels: the first training image begins with (59, 62, 63), the first test image with
  // (158, 112, 49).
  const std::vector<int64_t> train_pixel = {59, 62, 63}, test_pixel = {158, 112, 49};
  for (int64_t c = 0; c < 3; ++c) {
    EXPECT_EQ(splits.train.images[0][0][0][c].item<int64_t>(), train_pixel[static_cast<size_t>(c)]);
    EXPECT_EQ(splits.test.images[0][0][0][c].item<int64_t>(), test_pixel[static_cast<size_t>(c)]);
  }
}

}  // namespace
}  // namespace unlazy::data
