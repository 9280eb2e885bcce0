// Launches of the BatchNorm kernels (see cuda/norm.h). They read each activation twice, 16 bytes a
// thread, neighbours side by side, and write once. Compiled for sm_80 and later.
#include "cuda/norm.h"

#include <cstdint>

#include "core/bf16_bits.h"
#include "cuda/norm_kernels.h"

namespace unlazy::cuda {
namespace {

template <class T, int kWidth>
struct Kind {
  using Element = T;
  static constexpr int width = kWidth;
};

// Calls f with the element type and width as a type.
template <class F>
cudaError_t with_kind(const NormKind& kind, const F& f) {
  if (kind.is_bf16) return kind.is_wide ? f(Kind<Bf16, 8>{}) : f(Kind<Bf16, 1>{});
  return kind.is_wide ? f(Kind<float, 4>{}) : f(Kind<float, 1>{});
}

dim3 grid(const NormLayout& layout) { return {layout.tiles, layout.row_blocks}; }

template <class T, int width, NormMask mask>
void launch_sums(const NormGradientArguments& a, cudaStream_t stream) {
  const auto layout = norm_sum_layout(a.shape.rows, a.shape.channels, width);
  norm_gradient_sums_kernel<T, width, mask>
      <<<grid(layout), kNormThreads, 0, stream>>>(a, layout.lanes);
}

template <class T, int width, NormMask mask>
void launch_gradient(const NormGradientArguments& a, cudaStream_t stream) {
  const auto layout = norm_map_layout(a.shape.rows, a.shape.channels, width);
  norm_gradient_kernel<T, width, mask><<<grid(layout), kNormThreads, 0, stream>>>(a, layout.lanes);
}

}  // namespace

cudaError_t norm_statistics(const NormStatisticsArguments& a, const NormKind& kind,
                            cudaStream_t stream) {
  return with_kind(kind, [&](auto k) {
    using T = typename decltype(k)::Element;
    constexpr int width = decltype(k)::width;
    const auto layout = norm_sum_layout(a.shape.rows, a.shape.channels, width);
    norm_statistics_kernel<T, width><<<grid(layout), kNormThreads, 0, stream>>>(a, layout.lanes);
    return cudaGetLastError();
  });
}

cudaError_t norm_apply(const NormApplyArguments& a, const NormKind& kind, cudaStream_t stream) {
  return with_kind(kind, [&](auto k) {
    using T = typename decltype(k)::Element;
    constexpr int width = decltype(k)::width;
    const auto layout = norm_map_layout(a.shape.rows, a.shape.channels, width);
    norm_apply_kernel<T, width><<<grid(layout), kNormThreads, 0, stream>>>(a, layout.lanes);
    return cudaGetLastError();
  });
}

cudaError_t norm_gradient(const NormGradientArguments& a, const NormKind& kind,
                          cudaStream_t stream) {
  return with_kind(kind, [&](auto k) {
    using T = typename decltype(k)::Element;
    constexpr int width = decltype(k)::width;
    switch (a.mask) {
      case NormMask::kNone:
        launch_sums<T, width, NormMask::kNone>(a, stream);
        launch_gradient<T, width, NormMask::kNone>(a, stream);
        break;
      case NormMask::kInput:
        launch_sums<T, width, NormMask::kInput>(a, stream);
        launch_gradient<T, width, NormMask::kInput>(a, stream);
        break;
      case NormMask::kOutput: {
        launch_sums<T, width, NormMask::kOutput>(a, stream);
        NormGradientArguments masked = a;
        masked.dy = a.masked;
        launch_gradient<T, width, NormMask::kNone>(masked, stream);
        break;
      }
    }
    return cudaGetLastError();
  });
}

}  // namespace unlazy::cuda
