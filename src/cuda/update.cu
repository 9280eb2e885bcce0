// The optimizer's update and SAM's perturbation, one thread for several parameters (see
// cuda/update_kernel.h). Each buffer is read and written once.
#include "cuda/update.h"

#include "cuda/update_kernels.h"

namespace unlazy::cuda {
namespace {

constexpr unsigned kThreads = 256;

// Enough to fill any GPU; with more parameters a thread takes several.
unsigned blocks(int64_t size) {
  constexpr int64_t kMost = 4096;
  const int64_t wanted = (size + kThreads - 1) / kThreads;
  return static_cast<unsigned>(wanted < kMost ? wanted : kMost);
}

template <class T>
cudaError_t launch_sgd(const UpdateBuffers<T>& buffers, const SgdRule& rule, const void* lr,
                       bool is_double, cudaStream_t stream) {
  if (buffers.size == 0) return cudaSuccess;
  if (is_double) {
    sgd_kernel<<<blocks(buffers.size), kThreads, 0, stream>>>(buffers, rule,
                                                              static_cast<const double*>(lr));
  } else {
    sgd_kernel<<<blocks(buffers.size), kThreads, 0, stream>>>(buffers, rule,
                                                              static_cast<const float*>(lr));
  }
  return cudaGetLastError();
}

template <class T>
cudaError_t launch_perturb(const UpdateBuffers<T>& buffers, const T* rho, const T* norm,
                           cudaStream_t stream) {
  if (buffers.size == 0) return cudaSuccess;
  perturb_kernel<<<blocks(buffers.size), kThreads, 0, stream>>>(buffers, rho, norm);
  return cudaGetLastError();
}

}  // namespace

cudaError_t sgd_update(const UpdateBuffers<float>& buffers, const SgdRule& rule, const void* lr,
                       bool is_double, cudaStream_t stream) {
  return launch_sgd(buffers, rule, lr, is_double, stream);
}
cudaError_t sgd_update(const UpdateBuffers<double>& buffers, const SgdRule& rule, const void* lr,
                       bool is_double, cudaStream_t stream) {
  return launch_sgd(buffers, rule, lr, is_double, stream);
}
cudaError_t perturb(const UpdateBuffers<float>& buffers, const float* rho, const float* norm,
                    cudaStream_t stream) {
  return launch_perturb(buffers, rho, norm, stream);
}
cudaError_t perturb(const UpdateBuffers<double>& buffers, const double* rho, const double* norm,
                    cudaStream_t stream) {
  return launch_perturb(buffers, rho, norm, stream);
}

}  // namespace unlazy::cuda
