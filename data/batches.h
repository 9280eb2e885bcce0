// The sequence of training batches: which samples each step uses, and how they are cropped and
// flipped. All draws are made on the host and are a function of (seed, step). So a resumed run
// continues with the batches it would have had, and a GPU run sees the same batches as a CPU run.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <vector>

#include "core/options.h"
#include "data/dataset.h"

namespace unlazy::data {

/// --batch, --drop-last, --with-replacement, --augment, --crop-padding, --flip
struct BatchOptions {
  int64_t batch_size = 128;
  bool drop_last = false;         // default: the last, smaller batch of an epoch is kept
  bool with_replacement = false;  // Algorithm 1 of the paper samples with replacement; an epoch is
                                  // then ceil(N / B) steps
  bool augment = true;
  int64_t crop_padding = 4;  // black pixels around the image before the random crop, as
                             // torchvision's RandomCrop has it: value 0 before the normalisation
  bool flip = true;          // horizontal, with probability 1/2
};
OptionTable describe(BatchOptions& options);

/// Indices begin, begin + 1, .., end - 1, as readers take them.
std::vector<int64_t> range(int64_t begin, int64_t end);

/// The order of the samples.
class BatchOrder {
 public:
  /// Throws a misuse Error when `drop_last` leaves no batch. `num_samples` >= 1.
  BatchOrder(int64_t num_samples, const BatchOptions& options, uint64_t seed);
  int64_t steps_per_epoch() const { return steps_per_epoch_; }
  /// The sample indices of the batch at `step` (0, 1, ...): B of them, fewer in the last batch of
  /// an epoch.
  std::vector<int64_t> indices(int64_t step);

 private:
  int64_t num_samples_;
  int64_t batch_size_;
  bool with_replacement_;
  uint64_t seed_;
  int64_t steps_per_epoch_;
  int64_t epoch_ = -1;          // whose order is in order_
  std::vector<int64_t> order_;  // one epoch's permutation
};

/// Where a crop begins in the padded image and whether it is mirrored.
struct Crop {
  int32_t top = 0;  // row of the padded image, 0 .. 2 * padding; `padding` is the image itself
  int32_t left = 0;
  bool is_flipped = false;
};

/// The numbers of a sample in a plan: sample, top, left, is_flipped.
constexpr int64_t kPlanWidth = 4;

/// Turns samples into network input: gather, crop, flip, normalise, convert; one pass over memory.
class BatchReader {
 public:
  /// Moves the images to `device` once. `dtype`: Float, BFloat16 or Double. Throws Error when the
  /// images do not have three channels.
  BatchReader(const Dataset& dataset, const Normalization& normalization,
              const BatchOptions& options, uint64_t seed, c10::Device device,
              c10::ScalarType dtype);

  /// The crops of the batch at `step`, one per sample; without augmentation, the image itself.
  std::vector<Crop> crops(int64_t step, int64_t count) const;

  /// Images [B, C, H, W], channels_last, normalised, on the device, augmented with the crops of
  /// `step`.
  at::Tensor training_batch(const std::vector<int64_t>& indices, int64_t step) const;
  /// The same in two halves, so that what the host decides can travel with other decisions. The
  /// plan, B rows of kPlanWidth numbers in `plan` (host memory), says which samples and crops.
  void write_plan(const std::vector<int64_t>& indices, int64_t step, int64_t* plan) const;
  /// `plan` [B, kPlanWidth] int64 on the device. `is_fine`: in Float where `dtype` is BFloat16, for
  /// passes in master precision. Does not wait for the device.
  at::Tensor gather(const at::Tensor& plan, bool is_fine = false) const;
  /// The images without augmentation, for evaluation.
  at::Tensor plain_batch(const std::vector<int64_t>& indices) const;

  const at::Tensor& images() const { return images_; }

 private:
  void check(const std::vector<int64_t>& indices) const;
  at::Tensor batch(const std::vector<int64_t>& indices, const std::vector<Crop>& crops) const;

  at::Tensor images_;  // [N, H, W, C] uint8 on the device
  BatchOptions options_;
  uint64_t seed_;
  // [C, 256]: the normalised value of each pixel value, on the device; in dtype, and Float for
  // BFloat16.
  at::Tensor table_, fine_table_;
};

}  // namespace unlazy::data
