// The batch kernel for LibTorch's tensors, on LibTorch's current stream.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace unlazy::cuda {

/// As data::gather_cpu, with all tensors on one CUDA device. Does not wait for the device.
at::Tensor gather(const at::Tensor& images, const at::Tensor& plan, const at::Tensor& table,
                  int64_t padding);

}  // namespace unlazy::cuda
