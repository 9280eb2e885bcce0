// unlazy data and tools/fetch_cifar10.sh, as a user runs them.
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "core/files.h"
#include "data/cifar.h"
#include "data/image_folder.h"
#include "data/statistics.h"
#include "support/program.h"
#include "support/scratch_folder.h"

namespace unlazy {
namespace {

using testing::run_command;
using testing::run_program;
using testing::ScratchFolder;

void expect_failure(const testing::ProgramResult& result, int exit_code, const std::string& text) {
  EXPECT_EQ(result.exit_code, exit_code);
  EXPECT_EQ(result.err, text + "\n");
}

TEST(DataCommand, InfoCountsClasses) {
  const auto result =
      run_program({"data", "info", "--data", "cifar10-sample", "--train-size", "20", "--balanced"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.out.find("train     20 images, 32 x 32, mean 0."), std::string::npos)
      << result.out;
  EXPECT_NE(result.out.find("      3  cat                        2     49\n"), std::string::npos)
      << result.out;
  EXPECT_NE(result.out.find("  cifar10-sample  /"), std::string::npos) << result.out;
}

TEST(DataCommand, AnImpossibleFolderIsNoticedBeforeAnythingIsRead) {
  for (const std::string action : {"export", "pack"}) {
    expect_failure(
        run_program({"data", action, "--data-dir", "/none", "--out", "/dev/null/none"}), 1,
        "unlazy: /dev/null/none: cannot be made: /dev/null is a file; choose another folder");
  }
}

// sample -> PNG files -> CIFAR-10's format: the same images with the same classes, in another
// order.
TEST(DataCommand, ExportedPicturesPackBack) {
  const ScratchFolder folder;
  const auto exported = run_program({"data", "export", "--data", "cifar10-sample", "--train-size",
                                     "40", "--test-size", "20", "--balanced", "--out",
                                     folder / "pictures", "--sheet", "2"});
  EXPECT_EQ(exported.exit_code, 0) << exported.err;
  EXPECT_EQ(exported.out, "60 images written to " + folder / "pictures" + "\n");
  EXPECT_TRUE(std::filesystem::exists(folder / "pictures/train/cat/00003.png"));
  EXPECT_TRUE(std::filesystem::exists(folder / "pictures/test.png"));

  const auto packed =
      run_program({"data", "pack", "--data-dir", folder / "pictures", "--out", folder / "packed"});
  EXPECT_EQ(packed.exit_code, 0) << packed.err;
  const auto splits = data::read_cifar10("cifar10", folder / "packed");
  data::DataOptions options;
  options.dir = folder / "pictures";
  const auto pictures = data::read_image_folder(options);
  EXPECT_EQ(splits.train.classes, pictures.train.classes);
  EXPECT_EQ(data::class_counts(splits.test), std::vector<int64_t>(10, 2));
  ASSERT_EQ(splits.train.size(), 40);
  EXPECT_FALSE(at::equal(splits.train.labels, pictures.train.labels)) << "packed in random order";
  for (int64_t i = 0; i < 40; ++i) {
    const auto place = pictures.train.images.eq(splits.train.images[i]).flatten(1).all(1).nonzero();
    ASSERT_EQ(place.numel(), 1);
    EXPECT_TRUE(at::equal(pictures.train.labels[place.item<int64_t>()], splits.train.labels[i]));
  }
}

// The header of a PNG: width and height.
std::pair<int, int> png_size(const std::string& path) {
  const auto bytes = read_file(path);
  EXPECT_EQ(bytes.substr(1, 3), "PNG") << path;
  const auto number = [&](size_t at) {
    int value = 0;
    for (size_t i = at; i < at + 4; ++i)
      value = 256 * value + static_cast<unsigned char>(bytes.at(i));
    return value;
  };
  return {number(16), number(20)};
}

TEST(DataCommand, PreviewShowsTheFirstBatches) {
  const ScratchFolder folder;
  const auto path = folder / "new/preview.png";
  const auto result = run_program({"data", "preview", "--data", "cifar10-sample", "--train-size",
                                   "60", "--batch", "24", "--noise", "flip", "--noise-rate", "0.5",
                                   "--batches", "3", "--out", path});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(result.out.starts_with("step 0: ")) << result.out;
  EXPECT_NE(result.out.find(" of 24 labels flipped\n"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find(" of 12 labels flipped\n"), std::string::npos)
      << "the last, smaller one";
  EXPECT_NE(result.out.find("written: " + path + "\n"), std::string::npos);
  const auto [width, height] = png_size(path);
  EXPECT_GT(width, 64 * 4);
  EXPECT_GT(height, 3 * (64 + 28));

  expect_failure(run_program({"data", "preview", "--data", "cifar10-sample", "--noise",
                              "rademacher", "--noise-sigma", "1", "--out", path}),
                 2,
                 "unlazy: data: --noise rademacher acts on regression targets, so there are no "
                 "labels to show");
  expect_failure(run_program({"data", "export", "--data", "cifar10-sample", "--batch", "4", "--out",
                              folder / "x"}),
                 2, "unlazy: data: --batch has no effect with unlazy data export");
  expect_failure(run_program({"data", "info", "--noise", "flip", "--noise-rate", "0.1"}), 2,
                 "unlazy: data: --noise has no effect with unlazy data info");
  expect_failure(run_program({"data", "preview", "--sheet", "4"}), 2,
                 "unlazy: data: --sheet has no effect with unlazy data preview");
}

TEST(DataCommand, PackHoldsOutATestSplit) {
  const ScratchFolder folder;
  run_program({"data", "export", "--data", "cifar10-sample", "--train-size", "30", "--balanced",
               "--out", folder / "x"});
  const std::vector<std::string> pack = {
      "data", "pack", "--data-dir", folder / "x/train", "--out", folder / "packed"};
  expect_failure(run_program(pack), 2,
                 "unlazy: pack: " + folder / "x/train" +
                     " has no train and test folders; say with --holdout how many of its 30 images "
                     "become the test split");
  auto with_holdout = pack;
  with_holdout.insert(with_holdout.end(), {"--holdout", "7"});
  EXPECT_EQ(run_program(with_holdout).exit_code, 0);
  const auto splits = data::read_cifar10("cifar10", folder / "packed");
  EXPECT_EQ(splits.train.size(), 23);
  EXPECT_EQ(splits.test.size(), 7);
}

TEST(DataCommand, MisuseIsSaid) {
  expect_failure(run_program({"data"}), 2,
                 "unlazy: data: say what to do: unlazy data info, unlazy data preview, unlazy data "
                 "export or unlazy data pack");
  expect_failure(run_program({"data", "export", "--data", "cifar10-sample"}), 2,
                 "unlazy: data: export needs a folder to write to: --out");
  expect_failure(
      run_program({"data", "pack", "--data-dir", "x", "--out", "y", "--train-size", "5"}), 2,
      "unlazy: data: --train-size has no effect with unlazy data pack");
  expect_failure(run_program({"data", "info", "--batches", "3"}), 2,
                 "unlazy: data: --batches has no effect with unlazy data info");
  expect_failure(
      run_program({"data", "info", "--data-dir", "/no/such/folder"}), 1,
      "unlazy: cifar10: there is no folder /no/such/folder; get it with tools/fetch_cifar10.sh");
}

// An archive that is there already is checked as a downloaded one is: by size, then by MD5. No
// network is touched.
TEST(FetchCifar10, ChecksSizeAndMd5) {
  const ScratchFolder folder;
  const auto archive = folder / "cifar-10-binary.tar.gz";
  write_file(archive, "short");
  const std::string script = UNLAZY_SOURCE_DIR "/tools/fetch_cifar10.sh";
  expect_failure(run_command({script, folder.path()}), 1,
                 "fetch_cifar10: " + archive +
                     " has 5 bytes, expected 170052171; remove it and run this again");
  expect_failure(run_command({"env", "CIFAR10_SIZE=5", script, folder.path()}), 1,
                 "fetch_cifar10: " + archive +
                     " has MD5 4f09daa9d95bcb166a302407a0e0babe, expected "
                     "c32a1d4ab5d03f1284b67883e8d87530; remove it and "
                     "run this again");
}

}  // namespace
}  // namespace unlazy
