// The accounting kernel on LibTorch's current stream.
#pragma once

#include "cuda/account_kernel.h"

namespace unlazy::cuda {

/// Adds a batch to the sums; the pointers are those of the current CUDA device. Does not wait for
/// it.
template <class T>
void account_on_stream(const AccountArguments<T>& arguments);

}  // namespace unlazy::cuda
