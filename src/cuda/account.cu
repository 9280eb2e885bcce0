// One block for a whole batch: 1,024 samples of 10 classes are 40 KB of logits and a few
// microseconds, where a dozen operators would each be a launch.
#include "cuda/account.h"

#include "cuda/account_kernels.h"

namespace unlazy::cuda {
namespace {

template <class T>
cudaError_t launch(const AccountArguments<T>& arguments, cudaStream_t stream) {
  account_kernel<T><<<1, kAccountThreads, 0, stream>>>(arguments);
  return cudaGetLastError();
}

}  // namespace

cudaError_t account(const AccountArguments<Bf16>& arguments, cudaStream_t stream) {
  return launch(arguments, stream);
}
cudaError_t account(const AccountArguments<float>& arguments, cudaStream_t stream) {
  return launch(arguments, stream);
}
cudaError_t account(const AccountArguments<double>& arguments, cudaStream_t stream) {
  return launch(arguments, stream);
}

}  // namespace unlazy::cuda
