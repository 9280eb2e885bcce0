// Subsets and statistics on the sample, image folders on files made here.
#include "data/dataset.h"

#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <set>

#include "core/files.h"
#include "core/names.h"
#include "core/options.h"
#include "data/cifar.h"
#include "data/image_folder.h"
#include "data/image_size.h"
#include "data/statistics.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"

namespace unlazy::data {
namespace {

using testing::expect_error;
using testing::expect_misuse;
using testing::ScratchFolder;

DataOptions sample_options() {
  DataOptions options;
  options.source = "cifar10-sample";
  return options;
}

Splits sample(int64_t train_size, bool balanced, uint64_t seed = 0) {
  auto options = sample_options();
  options.train_size = train_size;
  options.balanced = balanced;
  return load(options, seed);
}

// An image as its bytes, to find it in another set.
std::set<std::string> images_of(const Dataset& split) {
  std::set<std::string> images;
  const auto bytes = split.images[0].numel();
  for (int64_t i = 0; i < split.size(); ++i) {
    images.emplace(reinterpret_cast<const char*>(split.images[i].const_data_ptr()), bytes);
  }
  return images;
}

TEST(Subset, IsContainedInLargerOnes) {
  for (const bool balanced : {false, true}) {
    const auto large = images_of(sample(200, balanced).train),
               small = images_of(sample(60, balanced).train);
    ASSERT_EQ(small.size(), 60u);
    ASSERT_EQ(large.size(), 200u);
    EXPECT_TRUE(std::includes(large.begin(), large.end(), small.begin(), small.end()));
    EXPECT_NE(images_of(sample(60, balanced, 1).train), small) << "another seed, another subset";
  }
}

TEST(Subset, KeepsLabelsWithImages) {
  const auto all = sample(0, false).train, some = sample(100, false).train;
  for (int64_t i = 0; i < 100; i += 13) {
    const auto place = all.images.eq(some.images[i]).flatten(1).all(1).nonzero();
    ASSERT_EQ(place.numel(), 1);
    EXPECT_EQ(all.labels[place.item<int64_t>()].item<int64_t>(), some.labels[i].item<int64_t>());
  }
}

TEST(Subset, BalancedHasEquallyManyOfEachClass) {
  EXPECT_EQ(class_counts(sample(500, true).train), std::vector<int64_t>(10, 50));
  EXPECT_NE(class_counts(sample(500, false).train), std::vector<int64_t>(10, 50));
}

TEST(Subset, TestSplitHasItsOwn) {
  auto options = sample_options();
  options.test_size = 30;
  options.balanced = true;
  const auto splits = load(options, 0);
  EXPECT_EQ(splits.train.size(), 2500);
  EXPECT_EQ(class_counts(splits.test), std::vector<int64_t>(10, 3));
}

TEST(Subset, ImpossibleSizes) {
  expect_misuse([] { sample(2501, false); },
                "data: --train-size 2501 is more than the 2500 images there are");
  expect_misuse([] { sample(64, true); },
                "data: --train-size 64 cannot be balanced over 10 classes; use a multiple of 10");
  const auto counts = class_counts(sample(0, false).train);
  size_t first = 0;  // the first class with fewer than 250
  while (counts[first] >= 250) ++first;
  expect_misuse(
      [] { sample(2500, true); },
      "data: --train-size 2500 with --balanced needs 250 images of each class, but there are " +
          std::to_string(counts[first]) + " of '" + sample(0, false).train.classes[first] + "'");
  expect_misuse([] { sample(0, true); }, "data: --balanced needs --train-size or --test-size");
}

TEST(DataOptions, ThoseOfImageFoldersAreRefusedElsewhere) {
  for (const std::vector<std::string>& flags :
       {std::vector<std::string>{"--resize", "32"}, {"--max-megapixels", "65"}}) {
    DataOptions options;
    Options table("train", {describe(options)});
    auto words = flags;
    words.insert(words.end(), {"--data", "cifar10-sample"});
    table.parse(words);
    expect_misuse([&] { table.refuse_without_effect(); },
                  join(flags, " ") +
                      " has no effect with --data cifar10-sample; leave it out, or give --data "
                      "image-folder");
    table.parse({"--data", "image-folder"});
    table.refuse_without_effect();
  }
}

TEST(Normalize, ComputedGivesMeanZeroAndDeviationOne) {
  auto options = sample_options();
  options.normalize = "computed";
  options.train_size = 300;
  const auto splits = load(options, 0);
  const auto pixels = splits.train.images.to(at::kDouble).div(255).view({-1, 3});
  for (int64_t c = 0; c < 3; ++c) {
    const auto k = static_cast<size_t>(c);
    const auto channel = pixels.select(1, c);
    EXPECT_NEAR(splits.normalization.mean[k], channel.mean().item<double>(), 1e-12);
    EXPECT_NEAR(splits.normalization.stddev[k], channel.std(/*unbiased=*/false).item<double>(),
                1e-12);
  }
}

// The sample's statistics are those of CIFAR-10 up to sampling error: 2,500 images whose mean
// brightness varies by .13.
TEST(Normalize, CifarConstantsFitTheSample) {
  const auto splits = load(sample_options(), 0);
  const auto found = pixel_statistics(splits.train.images);
  for (size_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(found.mean[c], splits.normalization.mean[c], 5 * .13 / 50);
    EXPECT_NEAR(found.stddev[c], splits.normalization.stddev[c], 5 * .13 / 50);
  }
}

TEST(Normalize, ConstantChannelCannotBeNormalised) {
  auto split = sample(10, false).train;
  split.images = split.images.clone();
  split.images.select(3, 1).fill_(7);
  expect_error([&] { find_normalization("computed", split); },
               "data: a colour channel is the same in all pixels of the training images, so that "
               "it cannot be "
               "normalised; use --normalize none");
}

// An image with a different colour in each pixel; OpenCV's order is blue, green, red.
cv::Mat picture(int rows, int cols, int shift) {
  cv::Mat image(rows, cols, CV_8UC3);
  for (int y = 0; y < rows; ++y) {
    for (int x = 0; x < cols; ++x) {
      image.at<cv::Vec3b>(y, x) = {static_cast<uint8_t>(200 + shift),
                                   static_cast<uint8_t>(7 * x + shift),
                                   static_cast<uint8_t>(11 * y + shift)};
    }
  }
  return image;
}

DataOptions folder_options(const std::string& dir, int64_t resize = 0) {
  DataOptions options;
  options.source = "image-folder";
  options.dir = dir;
  options.resize = resize;
  return options;
}

// train/{b,a} and test/{b,a} with two images each; `extension` as OpenCV writes it.
void write_pictures(const ScratchFolder& folder, const std::string& kind = ".png") {
  int shift = 0;
  for (const char* split : {"train", "test"}) {
    for (const char* name : {"b", "a"}) {
      const auto dir = folder / split + "/" + name;
      std::filesystem::create_directories(dir);
      cv::imwrite(dir + "/1" + kind, picture(6, 8, shift++));
      cv::imwrite(dir + "/0" + kind, picture(6, 8, shift++));
    }
  }
}

TEST(ImageFolder, ClassesAndFilesAreInOrderOfNames) {
  const ScratchFolder folder;
  write_pictures(folder);
  write_file(folder / "train/a/notes.txt", "not an image");
  write_file(folder / "train/a/.hidden.png", "not an image");
  const auto splits = read_image_folder(folder_options(folder.path()));
  EXPECT_EQ(splits.train.classes, (std::vector<std::string>{"a", "b"}));
  ASSERT_EQ(splits.train.images.sizes(), (std::vector<int64_t>{4, 6, 8, 3}));
  ASSERT_EQ(splits.test.size(), 4);
  // Written in the order b/1 b/0 a/1 a/0, read in the order a/0 a/1 b/0 b/1. RGB: red is 11 y,
  // green 7 x, blue 200.
  const std::vector<int64_t> shifts = {3, 2, 1, 0}, labels = {0, 0, 1, 1};
  for (int64_t i = 0; i < 4; ++i) {
    const auto shift = shifts[static_cast<size_t>(i)];
    EXPECT_EQ(splits.train.labels[i].item<int64_t>(), labels[static_cast<size_t>(i)]);
    EXPECT_EQ(splits.train.images[i][5][2][0].item<int64_t>(), 55 + shift);
    EXPECT_EQ(splits.train.images[i][5][2][1].item<int64_t>(), 14 + shift);
    EXPECT_EQ(splits.train.images[i][5][2][2].item<int64_t>(), 200 + shift);
    EXPECT_EQ(splits.test.images[i][0][0][2].item<int64_t>(), 204 + shift);
  }
}

TEST(ImageFolder, ReadsJpegInAnyCase) {
  const ScratchFolder folder;
  write_pictures(folder, ".jpg");
  std::filesystem::rename(folder / "train/a/0.jpg", folder / "train/a/0.JPEG");
  const auto splits = read_image_folder(folder_options(folder.path()));
  EXPECT_EQ(splits.train.size(), 4);
  EXPECT_NEAR(splits.train.images[0].select(2, 2).to(at::kDouble).mean().item<double>(), 203, 3);
}

TEST(ImageFolder, ExportReadsBack) {
  const auto split = sample(50, true).train;
  const ScratchFolder folder;
  write_class_folders(folder.path(), split);
  const auto again = read_class_folders(folder_options(folder.path()));
  EXPECT_EQ(again.classes, split.classes);
  const auto order = split.labels.argsort(/*stable=*/true, 0, false);
  EXPECT_TRUE(at::equal(again.images, split.images.index_select(0, order)));
  EXPECT_TRUE(at::equal(again.labels, split.labels.index_select(0, order)));
}

TEST(ImageFolder, MixedSizesNeedResize) {
  const ScratchFolder folder;
  write_pictures(folder);
  cv::imwrite(folder / "test/b/0.png", picture(5, 8, 0));
  expect_error([&] { read_image_folder(folder_options(folder.path())); },
               "image-folder: " + folder.path() + "/train/a/0.png is 8 x 6 pixels, but " +
                   folder.path() + "/test/b/0.png is 8 x 5; scale all to one size with --resize");
  EXPECT_EQ(read_image_folder(folder_options(folder.path(), 4)).test.images.sizes(),
            (std::vector<int64_t>{4, 4, 4, 3}));
}

TEST(ImageFolder, CorruptFilesAreNamed) {
  for (const std::string kind : {".png", ".jpg"}) {
    const ScratchFolder folder;
    write_pictures(folder, kind);
    const auto whole = read_file(folder / "train/b/1" + kind);
    for (const auto& bytes :
         {std::string("nonsense"), std::string(), whole.substr(0, whole.size() * 2 / 3)}) {
      write_file(folder / "train/b/1" + kind, bytes);
      expect_error([&] { read_image_folder(folder_options(folder.path())); },
                   "image-folder: " + folder.path() + "/train/b/1" + kind + " cannot be decoded (" +
                       std::to_string(bytes.size()) + " bytes); replace or remove it");
    }
  }
}

TEST(ImageFolder, FoldersMustBeThere) {
  const ScratchFolder folder;
  expect_error(
      [&] { read_image_folder(folder_options(folder / "none")); },
      "image-folder: there is no folder " + (folder / "none/train") +
          "; expected train/CLASS/*.png and test/CLASS/*.png (or .jpg, .jpeg) below --data-dir");
  write_pictures(folder);
  std::filesystem::create_directory(folder / "train/c");
  expect_error([&] { read_image_folder(folder_options(folder.path())); },
               "image-folder: " + folder.path() + "/train and " + folder.path() +
                   "/test have different class folders: a, b, c and a, b");
  std::filesystem::create_directory(folder / "test/c");
  expect_error([&] { read_image_folder(folder_options(folder.path())); },
               "image-folder: " + folder.path() + "/train/c has no .png, .jpg or .jpeg files");
}

// The measurements take the first so many of a split.
TEST(ImageFolder, TheFirstImagesAreOfAllClasses) {
  const ScratchFolder folder;
  auto options = sample_options();
  options.train_size = 60;
  options.test_size = 40;
  options.balanced = true;
  const auto written = load(options, 0);
  write_class_folders(folder / "train", written.train);
  write_class_folders(folder / "test", written.test);
  options = folder_options(folder.path());
  const auto splits = load(options, 3);
  for (const auto* split : {&splits.train, &splits.test}) {
    const auto* labels = split->labels.const_data_ptr<int64_t>();
    EXPECT_GE(std::set<int64_t>(labels, labels + 20).size(), 6u);
    EXPECT_EQ(class_counts(*split), std::vector<int64_t>(10, split->size() / 10));
  }
  EXPECT_EQ(images_of(splits.train), images_of(written.train));
  // All is the largest subset, and a function of the seed.
  options.train_size = 25;
  EXPECT_TRUE(at::equal(load(options, 3).train.images, splits.train.images.narrow(0, 0, 25)));
  options.train_size = 0;
  EXPECT_TRUE(at::equal(load(options, 3).train.images, splits.train.images));
  EXPECT_FALSE(at::equal(load(options, 4).train.images, splits.train.images));
  // --balanced is about the subset that was asked for.
  options.test_size = 20;
  options.balanced = true;
  EXPECT_TRUE(at::equal(load(options, 3).train.images, splits.train.images));
}

TEST(Subset, AllOfCifarKeepsTheOrderOfItsFiles) {
  const auto raw = read_cifar10("cifar10-sample", "");
  const auto splits = load(sample_options(), 3);
  EXPECT_TRUE(at::equal(splits.train.images, raw.train.images));
  EXPECT_TRUE(at::equal(splits.train.labels, raw.train.labels));
  EXPECT_TRUE(at::equal(splits.test.labels, raw.test.labels));
}

TEST(ImageSize, IsReadFromTheHeader) {
  std::vector<uint8_t> bytes;
  for (const char* kind : {".png", ".jpg"}) {
    cv::imencode(kind, picture(6, 8, 0), bytes);
    const std::string file(bytes.begin(), bytes.end());
    const auto size = image_size(file);
    ASSERT_TRUE(size) << kind;
    EXPECT_EQ(size->width, 8);
    EXPECT_EQ(size->height, 6);
    EXPECT_EQ(size->is_jpeg, std::string(kind) == ".jpg");
    EXPECT_FALSE(image_size(file.substr(0, 20))) << kind;
    if (!size->is_jpeg) continue;
    // A comment, a fill byte, a restart marker and stray bytes before the frame.
    const std::string comment("\xff\xff\xfe\x00\x06\xff\xc0xy\xff\xd0\x00\x01", 13);
    const auto moved = image_size(file.substr(0, 2) + comment + file.substr(2));
    ASSERT_TRUE(moved);
    EXPECT_EQ(moved->width, 8);
  }
  const std::string head("\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", 16);
  EXPECT_TRUE(image_size(head + std::string("\x7f\xff\xff\xff\0\0\0\1", 8)));
  EXPECT_FALSE(image_size(head + std::string(8, '\xff'))) << "more than a PNG file may have";
  EXPECT_FALSE(image_size(""));
  EXPECT_FALSE(image_size("BM and more, which is another format"));
}

// 30,000 x 30,000 pixels by their header, which is all there is of the file.
TEST(ImageFolder, AHugeImageIsRefusedByItsHeader) {
  const ScratchFolder folder;
  write_pictures(folder);
  const auto path = folder / "train/b/0.png";
  auto bytes = read_file(path);
  bytes.replace(16, 8, std::string("\0\0\x75\x30\0\0\x75\x30", 8));
  write_file(path, bytes);
  auto options = folder_options(folder.path());
  expect_error([&] { read_image_folder(options); },
               "image-folder: " + path +
                   " is 30000 x 30000 pixels, more than --max-megapixels 64 million; make it "
                   "smaller, or raise --max-megapixels");
  cv::imwrite(path, cv::Mat(1001, 1000, CV_8UC3, cv::Scalar(1, 2, 3)));
  options.resize = 4;
  options.max_megapixels = 1;
  expect_error([&] { read_image_folder(options); },
               "image-folder: " + path +
                   " is 1000 x 1001 pixels, more than --max-megapixels 1 million; make it smaller, "
                   "or raise --max-megapixels");
  options.max_megapixels = 2;
  EXPECT_EQ(read_image_folder(options).train.images.size(1), 4);
}

TEST(ImageFolder, AFileOfMoreThanTwoGibibytesIsRefused) {
  const ScratchFolder folder;
  write_pictures(folder);
  const auto path = folder / "train/b/0.png";
  std::filesystem::resize_file(path, uintmax_t{1} << 31);  // a hole, no space on the disk
  expect_error([&] { read_image_folder(folder_options(folder.path())); },
               "image-folder: " + path +
                   " has 2147483648 bytes; the most is 2 GiB: make it smaller or remove it");
}

TEST(ImageFolder, NeedsAFolder) {
  DataOptions options;
  options.source = "image-folder";
  expect_misuse([&] { load(options, 0); }, "image-folder: which folder? Name it with --data-dir");
}

}  // namespace
}  // namespace unlazy::data
