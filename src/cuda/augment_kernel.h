// The batch kernel as its launcher sees it (device pointers and a stream).
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "cuda/augment.h"

namespace unlazy::cuda {

/// Device pointers: images [N, H, W, 3], plan [B, 4], table [3, 256], out [B, H, W, 3].
struct AugmentArguments {
  const uint8_t* images;
  const int64_t* plan;
  const void* table;
  void* out;
  AugmentShape shape;
  int64_t batch;
};

/// Starts the kernel on `stream`; `element_size` of table and out is 2, 4 or 8 bytes.
cudaError_t augment(const AugmentArguments& arguments, int element_size, cudaStream_t stream);

}  // namespace unlazy::cuda
