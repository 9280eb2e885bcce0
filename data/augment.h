// From pixels to network input in one pass: gather, pad with black, crop, mirror, normalise,
// convert.
//   out[b, :, y, x] = table[:, pixel]
//   pixel = padded image[y + top, x'],   x' = left + (flip ? W - 1 - x : x)
// This equals torchvision's RandomCrop(padding), RandomHorizontalFlip, ToTensor, Normalize.
// A pixel has only 256 values, so normalising is a table look-up. That is why the three versions
// below (CPU loop, ATen operators, CUDA kernel) give the same bits.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "data/batches.h"

namespace unlazy::data {

/// The normalised value of each pixel value, [3, 256] in `dtype`: (v / 255 - mean) / stddev,
/// rounded from double.
at::Tensor normalization_table(const Normalization& normalization, c10::ScalarType dtype);

/// Writes a plan of B rows of kPlanWidth numbers: sample, top, left, is_flipped.
void write_plan(const std::vector<int64_t>& indices, const std::vector<Crop>& crops, int64_t* plan);
/// The same as a tensor [B, kPlanWidth] int64. One tensor, so that one copy brings it to a device;
/// `is_pinned` puts it in page-locked memory.
at::Tensor make_plan(const std::vector<int64_t>& indices, const std::vector<Crop>& crops,
                     bool is_pinned);

/// Images [N, H, W, 3] uint8, plan [B, 4], table [3, 256] -> [B, 3, H, W] in the table's dtype,
/// channels_last. CPU.
at::Tensor gather_cpu(const at::Tensor& images, const at::Tensor& plan, const at::Tensor& table,
                      int64_t padding);
/// The same by ATen operators, on any device; all tensors on one device. Does not wait for the
/// device.
at::Tensor gather_aten(const at::Tensor& images, const at::Tensor& plan, const at::Tensor& table,
                       int64_t padding);

}  // namespace unlazy::data
