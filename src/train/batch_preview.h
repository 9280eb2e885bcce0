// A training batch as a person can look at it: the pixels after crop and mirror, the true labels
// and those that the loss sees. The draws are those of training: the same seed and step give the
// same batch as TrainStep::prepare().
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "data/batches.h"
#include "data/dataset.h"
#include "noise/label_noise.h"

namespace unlazy::train {

struct BatchPreview {
  std::vector<int64_t> indices;       // [B] into the training set
  at::Tensor images;                  // [B, H, W, 3] uint8, RGB
  std::vector<int64_t> labels, seen;  // [B] true classes, and those after label noise

  int64_t num_flipped() const;
};

/// The batches of steps 0 .. num_steps - 1. Throws a misuse Error for noise on regression targets,
/// and as noise::make_noise() and data::BatchOrder do.
std::vector<BatchPreview> preview_batches(const data::Dataset& train,
                                          const data::BatchOptions& batch,
                                          const noise::NoiseOptions& noise, uint64_t seed,
                                          int64_t num_steps);

}  // namespace unlazy::train
