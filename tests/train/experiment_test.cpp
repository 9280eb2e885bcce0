// What an experiment refuses before any training, and runs of image folders.
#include "train/experiment.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randint.h>
#include <gtest/gtest.h>

#include "core/safetensors.h"
#include "data/image_folder.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"
#include "support/small_run.h"
#include "train/saved_run.h"

namespace unlazy::train {
namespace {

using testing::expect_misuse;
using testing::ScratchFolder;

// A folder of 7 training and 2 test images of 4 x 4 pixels in two classes.
class TinyImages : public ::testing::Test {
 protected:
  TinyImages() {
    at::manual_seed(1);
    for (const std::string name : {"train", "test"}) {
      const int64_t count = name == "train" ? 7 : 2;
      data::write_class_folders(scratch_ / name, {at::randint(256, {count, 4, 4, 3}, at::kByte),
                                                  at::arange(count, at::kLong).remainder(2),
                                                  {"cat", "dog"}});
    }
    options_ = testing::small_run();
    options_.data = {};
    options_.data.source = "image-folder";
    options_.data.dir = scratch_.path();
    options_.batch.batch_size = 3;
    options_.batch.augment = false;
    options_.run.out = scratch_ / "run";
  }
  // Its last layers see 1 x 1 pixels.
  void take_batch_norm() {
    options_.model.name = "resnet20";
    options_.model.block_widths = std::vector<int64_t>(9, 2);
  }
  void expect_refused() {
    expect_misuse([&] { const Experiment experiment(options_); },
                  "BatchNorm: expected more than 1 value per channel when training, got input [1, "
                  "2, 1, 1]: a batch, or its last part, is a single image; use --drop-last or "
                  "another --batch (for statistics that are collected anew: --eval-batch)");
  }

  ScratchFolder scratch_;
  TrainOptions options_;
};

TEST_F(TinyImages, ALastBatchOfOneIsRefusedBeforeTraining) {
  { const Experiment mlp(options_); }
  take_batch_norm();
  expect_refused();
  options_.run.max_steps = 2;  // the third step alone has one image
  { const Experiment experiment(options_); }
  options_.run.max_steps = 3;
  expect_refused();
  options_.batch.drop_last = true;
  { const Experiment experiment(options_); }
  options_.batch.drop_last = false;
  options_.model.norm = "group";
  { const Experiment experiment(options_); }
}

TEST_F(TinyImages, APartOfABatchOfOneIsRefusedBeforeTraining) {
  take_batch_norm();
  options_.batch.batch_size = 7;
  { const Experiment experiment(options_); }
  options_.run.accumulate = 2;  // 4 and 3
  { const Experiment experiment(options_); }
  options_.run.accumulate = 3;  // 3, 3 and 1
  expect_refused();
  options_.run.accumulate = 1;
  options_.optimizer.name = "sam";
  options_.optimizer.sharpness.group_size = 1;
  expect_refused();
}

TEST_F(TinyImages, ARunThatReadImagesClassAfterClassGoesOnInThatOrder) {
  const auto weights = [&] { return load_tensors(newest_weights(options_.run.out)); };
  options_.run.max_steps = 4;
  run_training(options_, {});
  const auto shuffled = weights();
  options_.run.out = scratch_ / "by_class";
  options_.data.keeps_order = true;  // as version 0.1.0
  run_training(options_, {});
  const auto by_class = weights();
  options_.run.out = scratch_ / "resumed";
  options_.run.max_steps = 2;
  run_training(options_, {});
  options_.data.keeps_order = false;
  options_.run.resume = true;
  options_.run.max_steps = 4;
  EXPECT_EQ(run_training(options_, {}), Outcome::kDone);
  bool is_other = false;
  const auto resumed = weights();
  for (const auto& [name, tensor] : resumed.tensors) {
    EXPECT_TRUE(at::equal(tensor, by_class.at(name))) << name;
    is_other = is_other || !at::equal(tensor, shuffled.at(name));
  }
  EXPECT_TRUE(is_other);
}

}  // namespace
}  // namespace unlazy::train
