// The arithmetic of the batch kernel, one output pixel at a time, for the device and, in a test,
// for the host. The formula is in data/augment.h. Here every pixel is computed on its own, since a
// GPU has a thread for each pixel. Does not use LibTorch, so that nvcc can compile it on a machine
// without LibTorch.
#pragma once

#include <cstdint>

#include "core/bf16_bits.h"

namespace unlazy::cuda {

struct AugmentShape {
  int64_t height, width, padding;
};

/// Writes the pixel `place` (0 .. B*H*W - 1) of the batch. `out` [B, H, W, 3],
/// `images` [N, H, W, 3], `plan` [B, 4] (sample, top, left, is_flipped), `table` [3, 256]. T is an
/// unsigned integer of the size of the element type, since values are only copied.
template <class T>
UNLAZY_HOST_DEVICE inline void augment_pixel(const uint8_t* images, const int64_t* plan,
                                             const T* table, const AugmentShape& shape,
                                             int64_t place, T* out) {
  const int64_t x = place % shape.width;
  const int64_t y = place / shape.width % shape.height;
  const int64_t* row = plan + place / (shape.width * shape.height) * 4;
  const int64_t source_x = (row[3] != 0 ? shape.width - 1 - x : x) + row[2] - shape.padding;
  const int64_t source_y = y + row[1] - shape.padding;
  const bool is_inside =
      source_x >= 0 && source_x < shape.width && source_y >= 0 && source_y < shape.height;
  const uint8_t* pixel = images + ((row[0] * shape.height + source_y) * shape.width + source_x) * 3;
  for (int c = 0; c < 3; ++c) out[place * 3 + c] = table[256 * c + (is_inside ? pixel[c] : 0)];
}

}  // namespace unlazy::cuda
