#include "data/batches.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "core/rng.h"
#include "data/augment.h"
#ifdef UNLAZY_HAS_CUDA
#include "cuda/augment_launch.h"
#endif

namespace unlazy::data {

OptionTable describe(BatchOptions& options) {
  return {"Batches",
          {
              {.name = "batch",
               .target = &options.batch_size,
               .range = Range::closed(1, 1 << 24),
               .unit = "images",
               .help = "Batch size.",
               .is_common = true},
              {.name = "drop-last",
               .target = &options.drop_last,
               .help = "Leave out the last, smaller batch of an epoch.",
               .only_for = {{"with-replacement", {"false"}}}},
              {.name = "with-replacement",
               .target = &options.with_replacement,
               .help = "Draw every batch anew from all training images, instead of going through "
                       "them in epochs."},
              {.name = "augment",
               .target = &options.augment,
               .help = "Random crops and mirror images in training.",
               .is_common = true},
              {.name = "crop-padding",
               .target = &options.crop_padding,
               .range = Range::closed(0, 1024),
               .unit = "pixels",
               .help = "Black border around an image before it is cropped at random.",
               .only_for = {{"augment", {"true"}}}},
              {.name = "flip",
               .target = &options.flip,
               .help = "Mirror an image left to right with probability 1/2.",
               .only_for = {{"augment", {"true"}}}},
          }};
}

BatchOrder::BatchOrder(int64_t num_samples, const BatchOptions& options, uint64_t seed)
    : num_samples_(num_samples),
      batch_size_(options.batch_size),
      with_replacement_(options.with_replacement),
      seed_(seed) {
  const bool is_floor = options.drop_last && !with_replacement_;
  steps_per_epoch_ =
      is_floor ? num_samples / batch_size_ : (num_samples + batch_size_ - 1) / batch_size_;
  UNLAZY_CHECK_USAGE(steps_per_epoch_ > 0, "batches: --drop-last leaves no batch of ", batch_size_,
                     " from ", num_samples, " training images; use --batch ", num_samples,
                     " or less");
}

std::vector<int64_t> BatchOrder::indices(int64_t step) {
  if (with_replacement_) {
    Rng rng(seed_, Stream::kOrder, static_cast<uint64_t>(step));
    std::vector<int64_t> drawn(static_cast<size_t>(batch_size_));
    for (auto& index : drawn) index = rng.below(static_cast<uint32_t>(num_samples_));
    return drawn;
  }
  if (const int64_t epoch = step / steps_per_epoch_; epoch != epoch_) {
    order_ = Rng(seed_, Stream::kOrder, static_cast<uint64_t>(epoch)).permutation(num_samples_);
    epoch_ = epoch;
  }
  const int64_t begin = step % steps_per_epoch_ * batch_size_;
  const int64_t end = std::min(begin + batch_size_, num_samples_);
  return {order_.begin() + begin, order_.begin() + end};
}

std::vector<int64_t> range(int64_t begin, int64_t end) {
  std::vector<int64_t> indices(static_cast<size_t>(end - begin));
  std::iota(indices.begin(), indices.end(), begin);
  return indices;
}

BatchReader::BatchReader(const Dataset& dataset, const Normalization& normalization,
                         const BatchOptions& options, uint64_t seed, c10::Device device,
                         c10::ScalarType dtype)
    : images_(dataset.images.to(device)),
      options_(options),
      seed_(seed),
      table_(normalization_table(normalization, dtype).to(device)),
      fine_table_(dtype == c10::kBFloat16
                      ? normalization_table(normalization, c10::kFloat).to(device)
                      : table_) {
  UNLAZY_CHECK(images_.dim() == 4 && images_.size(3) == table_.size(0),
               "batches: images are [N, H, W, 3], red, green and blue; got ", images_.sizes());
}

std::vector<Crop> BatchReader::crops(int64_t step, int64_t count) const {
  const auto padding = static_cast<int32_t>(options_.crop_padding);
  std::vector<Crop> crops(static_cast<size_t>(count), Crop{padding, padding, false});
  if (!options_.augment) return crops;
  Rng rng(seed_, Stream::kAugment, static_cast<uint64_t>(step));
  const auto places = static_cast<uint32_t>(2 * padding + 1);
  for (auto& crop : crops) {
    crop.top = static_cast<int32_t>(rng.below(places));
    crop.left = static_cast<int32_t>(rng.below(places));
    crop.is_flipped = options_.flip && rng.bernoulli(0.5);
  }
  return crops;
}

at::Tensor BatchReader::training_batch(const std::vector<int64_t>& indices, int64_t step) const {
  return batch(indices, crops(step, static_cast<int64_t>(indices.size())));
}

at::Tensor BatchReader::plain_batch(const std::vector<int64_t>& indices) const {
  const auto padding = static_cast<int32_t>(options_.crop_padding);
  return batch(indices, std::vector<Crop>(indices.size(), Crop{padding, padding, false}));
}

void BatchReader::write_plan(const std::vector<int64_t>& indices, int64_t step,
                             int64_t* plan) const {
  check(indices);
  data::write_plan(indices, crops(step, static_cast<int64_t>(indices.size())), plan);
}

void BatchReader::check(const std::vector<int64_t>& indices) const {
  for (const int64_t index : indices) {
    UNLAZY_CHECK(index >= 0 && index < images_.size(0), "batches: there is no sample ", index,
                 "; there are ", images_.size(0));
  }
}

at::Tensor BatchReader::batch(const std::vector<int64_t>& indices,
                              const std::vector<Crop>& crops) const {
  check(indices);
  // From pinned memory the copy does not wait for the device; LibTorch keeps the memory until the
  // copy is done.
  return gather(
      make_plan(indices, crops, images_.is_cuda()).to(images_.device(), /*non_blocking=*/true));
}

at::Tensor BatchReader::gather(const at::Tensor& plan, bool is_fine) const {
  const auto& table = is_fine ? fine_table_ : table_;
  if (images_.is_cpu()) return gather_cpu(images_, plan, table, options_.crop_padding);
#ifdef UNLAZY_HAS_CUDA
  if (images_.is_cuda()) return cuda::gather(images_, plan, table, options_.crop_padding);
#endif
  return gather_aten(images_, plan, table, options_.crop_padding);
}

}  // namespace unlazy::data
