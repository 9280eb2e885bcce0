#include "train/batch_preview.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/round.h>

#include "core/error.h"
#include "core/rng.h"

namespace unlazy::train {

int64_t BatchPreview::num_flipped() const {
  int64_t count = 0;
  for (size_t i = 0; i < labels.size(); ++i) count += labels[i] != seen[i] ? 1 : 0;
  return count;
}

std::vector<BatchPreview> preview_batches(const data::Dataset& train,
                                          const data::BatchOptions& batch,
                                          const noise::NoiseOptions& noise, uint64_t seed,
                                          int64_t num_steps) {
  data::BatchOrder order(train.size(), batch, seed);
  const auto kind = noise::make_noise({noise, train.num_classes(), seed});
  UNLAZY_CHECK_USAGE(!kind->is_for_targets(), "data: --noise ", noise.kind,
                     " acts on regression targets, so there are no labels to show");
  const noise::NoiseSchedule schedule(noise, order.steps_per_epoch());
  // Normalised in this way a pixel is its value over 255.
  const data::BatchReader reader(train, {{0, 0, 0}, {1, 1, 1}}, batch, seed, c10::kCPU,
                                 c10::kDouble);
  const auto* labels = train.labels.const_data_ptr<int64_t>();
  std::vector<BatchPreview> previews;
  for (int64_t step = 0; step < num_steps; ++step) {
    BatchPreview preview;
    preview.indices = order.indices(step);
    preview.images = (reader.training_batch(preview.indices, step) * 255)
                         .round()
                         .to(c10::kByte)
                         .permute({0, 2, 3, 1})
                         .contiguous();
    for (const int64_t index : preview.indices) preview.labels.push_back(labels[index]);
    preview.seen = preview.labels;
    Rng rng(seed, Stream::kNoise, static_cast<uint64_t>(step));
    kind->labels(preview.indices, preview.labels, schedule.factor(step), rng, preview.seen);
    previews.push_back(std::move(preview));
  }
  return previews;
}

}  // namespace unlazy::train
