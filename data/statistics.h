// Numbers about a split: how many of each class, mean and standard deviation of each channel.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/registry.h"
#include "data/dataset.h"

namespace unlazy::data {

/// Number of samples of each class, [K].
std::vector<int64_t> class_counts(const Dataset& split);

/// Mean and standard deviation of each channel over all pixels (dividing by their number). They are
/// computed from counts of pixel values, so they are exact up to rounding. `images` [N, H, W, 3]
/// uint8.
Normalization pixel_statistics(const at::Tensor& images);

/// The choices of --normalize.
std::vector<Choice> normalizations();
/// The statistics that --normalize names; `computed` computes them from `train`. Throws Error for a
/// channel without variation.
Normalization find_normalization(const std::string& name, const Dataset& train);

}  // namespace unlazy::data
