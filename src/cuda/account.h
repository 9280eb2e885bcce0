// The accounting kernel as its launcher sees it (device pointers and a stream).
#pragma once

#include <cuda_runtime_api.h>

#include "cuda/account_kernel.h"

namespace unlazy::cuda {

/// Starts the kernel on `stream`; all pointers are the device's.
cudaError_t account(const AccountArguments<Bf16>& arguments, cudaStream_t stream);
cudaError_t account(const AccountArguments<float>& arguments, cudaStream_t stream);
cudaError_t account(const AccountArguments<double>& arguments, cudaStream_t stream);

}  // namespace unlazy::cuda
