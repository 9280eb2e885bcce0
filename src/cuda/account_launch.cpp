#include "cuda/account_launch.h"

#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>

#include "cuda/account.h"

namespace unlazy::cuda {

template <class T>
void account_on_stream(const AccountArguments<T>& arguments) {
  C10_CUDA_CHECK(account(arguments, c10::cuda::getCurrentCUDAStream()));
}

template void account_on_stream(const AccountArguments<Bf16>&);
template void account_on_stream(const AccountArguments<float>&);
template void account_on_stream(const AccountArguments<double>&);

}  // namespace unlazy::cuda
