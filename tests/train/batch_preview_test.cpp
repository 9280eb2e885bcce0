// What `unlazy data preview` shows is what training computes with.
#include "train/batch_preview.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/small_run.h"
#include "train/experiment.h"

namespace unlazy::train {
namespace {

TrainOptions noisy_run(const std::string& noise, bool with_replacement) {
  auto o = testing::small_run();
  o.run.seed = 3;
  o.noise.kind = noise;
  o.noise.rate = 0.4;
  o.batch.with_replacement = with_replacement;
  return o;
}

at::Tensor list_tensor(const std::vector<int64_t>& list) { return at::tensor(list, at::kLong); }

// Steps 0 to 5 of 64 images in batches of 16: into the second epoch.
TEST(BatchPreview, ShowsThePixelsAndLabelsOfTraining) {
  for (const bool with_replacement : {false, true}) {
    for (const std::string kind : {"none", "flip", "static"}) {
      auto o = noisy_run(kind, with_replacement);
      if (kind == "none") o.noise.rate = 0;
      Experiment experiment(o);
      const auto previews = preview_batches(experiment.splits().train, o.batch, o.noise, 3, 6);
      ASSERT_EQ(previews.size(), 6u);
      int64_t num_flipped = 0;
      for (int64_t step = 0; step < 6; ++step) {
        const auto& preview = previews[static_cast<size_t>(step)];
        const auto control = experiment.step().prepare(preview.indices, step);
        EXPECT_EQ(preview.indices, experiment.indices(step));
        const auto parts = control.parts_of(control.tensor());
        EXPECT_TRUE(at::equal(parts.labels, list_tensor(preview.labels))) << kind << step;
        EXPECT_TRUE(at::equal(parts.seen, list_tensor(preview.seen))) << kind << step;
        // The network's input is a table look-up of the pixels: the same table on those shown.
        const auto trained = experiment.subject().train.reader.gather(parts.plan);
        const data::Dataset shown{preview.images, parts.labels, experiment.splits().train.classes};
        auto plain = o.batch;
        plain.augment = false;
        const data::BatchReader reader(shown, experiment.splits().normalization, plain, 3, at::kCPU,
                                       trained.scalar_type());
        EXPECT_TRUE(at::equal(trained, reader.plain_batch(data::range(0, 16)))) << kind << step;
        num_flipped += preview.num_flipped();
      }
      if (kind == "none")
        EXPECT_EQ(num_flipped, 0);
      else
        EXPECT_TRUE(num_flipped > 20 && num_flipped < 60) << num_flipped;
    }
  }
}

TEST(BatchPreview, AugmentationMovesPixels) {
  const auto o = noisy_run("flip", false);
  Experiment experiment(o);
  auto plain = o.batch;
  plain.augment = false;
  const auto& train = experiment.splits().train;
  const auto moved = preview_batches(train, o.batch, o.noise, 3, 1)[0];
  const auto still = preview_batches(train, plain, o.noise, 3, 1)[0];
  EXPECT_EQ(moved.indices, still.indices);
  EXPECT_EQ(moved.seen, still.seen);
  EXPECT_TRUE(at::equal(still.images, train.images.index_select(0, list_tensor(still.indices))));
  EXPECT_FALSE(at::equal(moved.images, still.images));
}

}  // namespace
}  // namespace unlazy::train
