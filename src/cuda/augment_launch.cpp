#include "cuda/augment_launch.h"

#include <ATen/ops/empty.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "cuda/augment_kernel.h"

namespace unlazy::cuda {

at::Tensor gather(const at::Tensor& images, const at::Tensor& plan, const at::Tensor& table,
                  int64_t padding) {
  const c10::cuda::CUDAGuard guard(images.device());
  at::Tensor out = at::empty({plan.size(0), images.size(1), images.size(2), 3}, table.options());
  const AugmentArguments arguments{images.const_data_ptr<uint8_t>(),
                                   plan.const_data_ptr<int64_t>(),
                                   table.const_data_ptr(),
                                   out.mutable_data_ptr(),
                                   {images.size(1), images.size(2), padding},
                                   plan.size(0)};
  C10_CUDA_CHECK(augment(arguments, static_cast<int>(table.element_size()),
                         c10::cuda::getCurrentCUDAStream()));
  return out.permute({0, 3, 1, 2});
}

}  // namespace unlazy::cuda
