#include "models/fused_norm.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <vector>

#include "core/bf16_bits.h"
#include "core/error.h"
#include "core/simd.h"
#include "models/fused_norm_cuda.h"

namespace unlazy::models {
namespace {

// An activation is a matrix of rows (pixels of all images) by channels, row-major: channels_last
// memory. Rows are cut into a fixed number of chunks, so that sums do not depend on the number of
// threads.
constexpr int64_t kChunks = 64;
constexpr int64_t kMaxChannels = 2048;
// Rows summed in fp32 before they are added to the fp64 sum.
constexpr int64_t kRun = 32;

// Sums over rows [begin, end) of x - pivot and of its square, into sums[0..C) and sums[C..2C). The
// pivot (the first row) keeps the squares small where a channel's mean is far from 0.
template <class T>
UNLAZY_INLINE void sum_rows(const T* x, const float* pivot, int64_t begin, int64_t end,
                            int64_t channels, double* sums) {
  float first[kMaxChannels], second[kMaxChannels];
  for (int64_t row = begin; row < end; row += kRun) {
    std::memset(first, 0, sizeof(float) * static_cast<size_t>(channels));
    std::memset(second, 0, sizeof(float) * static_cast<size_t>(channels));
    const int64_t stop = row + kRun < end ? row + kRun : end;
    for (int64_t r = row; r < stop; ++r) {
      const T* values = x + r * channels;
      for (int64_t c = 0; c < channels; ++c) {
        const float value = widen(values[c]) - pivot[c];
        first[c] += value;
        second[c] += value * value;
      }
    }
    for (int64_t c = 0; c < channels; ++c) {
      sums[c] += static_cast<double>(first[c]);
      sums[channels + c] += static_cast<double>(second[c]);
    }
  }
}

// y = relu(a x + b + residual)
template <class T, bool kHasResidual, bool kRelu>
UNLAZY_INLINE void apply_rows(const T* x, const T* residual, const float* a, const float* b,
                              int64_t begin, int64_t end, int64_t channels, T* y) {
  for (int64_t r = begin; r < end; ++r) {
    const int64_t at = r * channels;
    for (int64_t c = 0; c < channels; ++c) {
      float value = a[c] * widen(x[at + c]) + b[c];
      if constexpr (kHasResidual) value += widen(residual[at + c]);
      if constexpr (kRelu)
        value = value > 0.0f ? value : (value != value ? value : 0.0f);  // NaN stays
      narrow(value, y + at + c);
    }
  }
}

// Sums over rows of g and of g (x - mean), where g is dy behind the ReLU.
template <class T, bool kRelu>
UNLAZY_INLINE void sum_gradient_rows(const T* dy, const T* y, const T* x, const float* mean,
                                     int64_t begin, int64_t end, int64_t channels, double* sums) {
  float first[kMaxChannels], second[kMaxChannels];
  for (int64_t row = begin; row < end; row += kRun) {
    std::memset(first, 0, sizeof(float) * static_cast<size_t>(channels));
    std::memset(second, 0, sizeof(float) * static_cast<size_t>(channels));
    const int64_t stop = row + kRun < end ? row + kRun : end;
    for (int64_t r = row; r < stop; ++r) {
      const int64_t at = r * channels;
      for (int64_t c = 0; c < channels; ++c) {
        float g = widen(dy[at + c]);
        if constexpr (kRelu) g = widen(y[at + c]) > 0.0f ? g : 0.0f;
        first[c] += g;
        second[c] += g * (widen(x[at + c]) - mean[c]);
      }
    }
    for (int64_t c = 0; c < channels; ++c) {
      sums[c] += static_cast<double>(first[c]);
      sums[channels + c] += static_cast<double>(second[c]);
    }
  }
}

// dx = p g + q x + s;  d residual = g
template <class T, bool kHasResidual, bool kRelu>
UNLAZY_INLINE void gradient_rows(const T* dy, const T* y, const T* x, const float* p,
                                 const float* q, const float* s, int64_t begin, int64_t end,
                                 int64_t channels, T* dx, T* dresidual) {
  for (int64_t r = begin; r < end; ++r) {
    const int64_t at = r * channels;
    for (int64_t c = 0; c < channels; ++c) {
      float g = widen(dy[at + c]);
      if constexpr (kRelu) g = widen(y[at + c]) > 0.0f ? g : 0.0f;
      if constexpr (kHasResidual) narrow(g, dresidual + at + c);
      narrow(p[c] * g + q[c] * widen(x[at + c]) + s[c], dx + at + c);
    }
  }
}

// The instruction set is chosen at these functions; flags become template arguments inside them.
#define UNLAZY_FUSED_NORM_KERNELS(T)                                                               \
  UNLAZY_SIMD void sum_kernel(const T* x, const float* pivot, int64_t begin, int64_t end,          \
                              int64_t channels, double* sums) {                                    \
    sum_rows(x, pivot, begin, end, channels, sums);                                                \
  }                                                                                                \
  UNLAZY_SIMD void apply_kernel(const T* x, const T* residual, bool relu, const float* a,          \
                                const float* b, int64_t begin, int64_t end, int64_t channels,      \
                                T* y) {                                                            \
    if (residual != nullptr && relu)                                                               \
      apply_rows<T, true, true>(x, residual, a, b, begin, end, channels, y);                       \
    if (residual != nullptr && !relu)                                                              \
      apply_rows<T, true, false>(x, residual, a, b, begin, end, channels, y);                      \
    if (residual == nullptr && relu)                                                               \
      apply_rows<T, false, true>(x, residual, a, b, begin, end, channels, y);                      \
    if (residual == nullptr && !relu)                                                              \
      apply_rows<T, false, false>(x, residual, a, b, begin, end, channels, y);                     \
  }                                                                                                \
  UNLAZY_SIMD void gradient_sum_kernel(const T* dy, const T* y, const T* x, bool relu,             \
                                       const float* mean, int64_t begin, int64_t end,              \
                                       int64_t channels, double* sums) {                           \
    if (relu) sum_gradient_rows<T, true>(dy, y, x, mean, begin, end, channels, sums);              \
    if (!relu) sum_gradient_rows<T, false>(dy, y, x, mean, begin, end, channels, sums);            \
  }                                                                                                \
  UNLAZY_SIMD void gradient_kernel(const T* dy, const T* y, const T* x, bool relu, const float* p, \
                                   const float* q, const float* s, int64_t begin, int64_t end,     \
                                   int64_t channels, T* dx, T* dresidual) {                        \
    if (dresidual != nullptr && relu)                                                              \
      gradient_rows<T, true, true>(dy, y, x, p, q, s, begin, end, channels, dx, dresidual);        \
    if (dresidual != nullptr && !relu)                                                             \
      gradient_rows<T, true, false>(dy, y, x, p, q, s, begin, end, channels, dx, dresidual);       \
    if (dresidual == nullptr && relu)                                                              \
      gradient_rows<T, false, true>(dy, y, x, p, q, s, begin, end, channels, dx, dresidual);       \
    if (dresidual == nullptr && !relu)                                                             \
      gradient_rows<T, false, false>(dy, y, x, p, q, s, begin, end, channels, dx, dresidual);      \
  }
UNLAZY_FUSED_NORM_KERNELS(float)
UNLAZY_FUSED_NORM_KERNELS(Bf16)
#undef UNLAZY_FUSED_NORM_KERNELS

struct Extent {
  int64_t rows, channels;
};

Extent extent(const at::Tensor& x) { return {x.numel() / x.size(1), x.size(1)}; }

// Calls work(chunk, begin, end) for each chunk of rows, chunks in parallel.
template <class Work>
void for_each_chunk(int64_t rows, const Work& work) {
  const int64_t length = (rows + kChunks - 1) / kChunks;
  at::parallel_for(0, kChunks, 1, [&](int64_t first, int64_t last) {
    for (int64_t chunk = first; chunk < last; ++chunk) {
      const int64_t begin = std::min(rows, chunk * length);
      work(chunk, begin, std::min(rows, begin + length));
    }
  });
}

// Two sums a channel over all rows, in fp64; `kernel(begin, end, sums)` adds those of a chunk.
template <class Kernel>
std::vector<double> two_sums(const Extent& e, const Kernel& kernel) {
  const auto width = static_cast<size_t>(2 * e.channels);
  std::vector<double> chunks(kChunks * width, 0.0);
  for_each_chunk(e.rows, [&](int64_t chunk, int64_t begin, int64_t end) {
    kernel(begin, end, chunks.data() + static_cast<size_t>(chunk) * width);
  });
  std::vector<double> sums(width, 0.0);
  for (size_t i = 0; i < chunks.size(); ++i) sums[i % width] += chunks[i];
  return sums;
}

template <class T>
const T* data(const at::Tensor& tensor) {
  return tensor.defined() ? static_cast<const T*>(tensor.const_data_ptr()) : nullptr;
}
template <class T>
T* mutable_data(const at::Tensor& tensor) {
  return tensor.defined() ? static_cast<T*>(tensor.mutable_data_ptr()) : nullptr;
}

// Calls f with a pointer type's value_type matching the tensor: float or Bf16.
template <class F>
void with_element_type(const at::Tensor& x, const F& f) {
  if (x.scalar_type() == c10::kFloat) {
    f(float{});
  } else {
    f(Bf16{});
  }
}

struct Statistics {
  at::Tensor mean, invstd;  // [C] float
};

Statistics batch_statistics(const at::Tensor& x, const BatchNormTensors& norm) {
  const auto e = extent(x);
  const auto channels = static_cast<size_t>(e.channels);
  Statistics result{at::empty({e.channels}, norm.weight.options().requires_grad(false)),
                    at::empty({e.channels}, norm.weight.options().requires_grad(false))};
  std::vector<float> pivot(channels);
  std::vector<double> sums;
  with_element_type(x, [&](auto element) {
    using T = decltype(element);
    for (size_t c = 0; c < channels; ++c) pivot[c] = widen(data<T>(x)[c]);
    sums = two_sums(e, [&](int64_t begin, int64_t end, double* out) {
      sum_kernel(data<T>(x), pivot.data(), begin, end, e.channels, out);
    });
  });
  const auto rows = static_cast<double>(e.rows);
  float* running_mean = mutable_data<float>(norm.running_mean);
  float* running_var = mutable_data<float>(norm.running_var);
  for (size_t c = 0; c < channels; ++c) {
    const double offset = sums[c] / rows;
    const double mean = pivot[c] + offset;
    const double variance = std::max(0.0, sums[channels + c] / rows - offset * offset);
    mutable_data<float>(result.mean)[c] = static_cast<float>(mean);
    mutable_data<float>(result.invstd)[c] =
        static_cast<float>(1.0 / std::sqrt(variance + norm.eps));
    if (running_mean == nullptr || norm.momentum == 0) continue;
    const auto move = [&](float* value, double target) {
      *value = static_cast<float>((1 - norm.momentum) * *value + norm.momentum * target);
    };
    move(running_mean + c, mean);
    move(running_var + c, variance * rows / (rows - 1));
  }
  return result;
}

// y = relu(a x + b + residual) with the layer's scale and shift folded into a and b.
at::Tensor apply_affine(const at::Tensor& x, const at::Tensor& residual, const float* mean,
                        const float* invstd, const float* weight, const float* bias, bool relu) {
  const auto e = extent(x);
  std::vector<float> a(static_cast<size_t>(e.channels)), b(a.size());
  for (size_t c = 0; c < a.size(); ++c) {
    a[c] = weight[c] * invstd[c];
    b[c] = bias[c] - mean[c] * a[c];
  }
  auto y = at::empty_like(x);
  with_element_type(x, [&](auto element) {
    using T = decltype(element);
    for_each_chunk(e.rows, [&](int64_t, int64_t begin, int64_t end) {
      apply_kernel(data<T>(x), data<T>(residual), relu, a.data(), b.data(), begin, end, e.channels,
                   mutable_data<T>(y));
    });
  });
  return y;
}

class FusedBatchNorm : public torch::autograd::Function<FusedBatchNorm> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const std::optional<at::Tensor>& maybe_residual,
                            const at::Tensor& weight, const at::Tensor& bias,
                            const BatchNormTensors& norm, bool relu) {
    const auto residual = maybe_residual.value_or(at::Tensor());
    const auto statistics = batch_statistics(x, norm);
    const auto y =
        apply_affine(x, residual, data<float>(statistics.mean), data<float>(statistics.invstd),
                     data<float>(weight), data<float>(bias), relu);
    context->save_for_backward(torch::autograd::variable_list{x, relu ? y : at::Tensor(), weight,
                                                              statistics.mean, statistics.invstd});
    context->saved_data["relu"] = relu;
    context->saved_data["residual"] = residual.defined();
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    check_once_differentiated();
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &y = saved[1], &weight = saved[2], &mean = saved[3],
               &invstd = saved[4];
    const bool relu = context->saved_data["relu"].toBool();
    const auto dy = gradients[0].contiguous(at::MemoryFormat::ChannelsLast).to(x.scalar_type());
    const auto e = extent(x);
    const auto channels = static_cast<size_t>(e.channels);

    auto dx = at::empty_like(x);
    auto dresidual = context->saved_data["residual"].toBool() ? at::empty_like(x) : at::Tensor();
    auto dweight = at::empty_like(weight), dbias = at::empty_like(weight);
    with_element_type(x, [&](auto element) {
      using T = decltype(element);
      const auto sums = two_sums(e, [&](int64_t begin, int64_t end, double* out) {
        gradient_sum_kernel(data<T>(dy), data<T>(y), data<T>(x), relu, data<float>(mean), begin,
                            end, e.channels, out);
      });
      // dx = w s (g - mean(g) - xhat mean(g xhat)), xhat = (x - mean) s, s = invstd: linear in g
      // and x.
      std::vector<float> p(channels), q(channels), r(channels);
      for (size_t c = 0; c < channels; ++c) {
        const double s = data<float>(invstd)[c], w = data<float>(weight)[c],
                     m = data<float>(mean)[c];
        const double mean_g = sums[c] / static_cast<double>(e.rows);
        const double mean_gx = sums[channels + c] * s / static_cast<double>(e.rows);  // of g xhat
        p[c] = static_cast<float>(w * s);
        q[c] = static_cast<float>(-w * s * s * mean_gx);
        r[c] = static_cast<float>(-w * s * mean_g + w * s * s * mean_gx * m);
        mutable_data<float>(dweight)[c] = static_cast<float>(sums[channels + c] * s);
        mutable_data<float>(dbias)[c] = static_cast<float>(sums[c]);
      }
      for_each_chunk(e.rows, [&](int64_t, int64_t begin, int64_t end) {
        gradient_kernel(data<T>(dy), data<T>(y), data<T>(x), relu, p.data(), q.data(), r.data(),
                        begin, end, e.channels, mutable_data<T>(dx), mutable_data<T>(dresidual));
      });
    });
    return {dx, dresidual, dweight, dbias, at::Tensor(), at::Tensor()};
  }
};

bool is_served(const at::Tensor& t) {
  return (t.is_cpu() || t.is_cuda()) &&
         (t.scalar_type() == c10::kFloat || t.scalar_type() == c10::kBFloat16) && t.dim() == 4 &&
         t.is_contiguous(at::MemoryFormat::ChannelsLast) && !t._fw_grad(/*level=*/0).defined();
}

}  // namespace

bool can_fuse(const at::Tensor& x, const at::Tensor& residual, const BatchNormTensors& norm) {
  if (!is_served(x) || x.numel() < 2 * x.size(1)) return false;
  if (residual.defined() && (!is_served(residual) || residual.scalar_type() != x.scalar_type() ||
                             residual.sizes() != x.sizes() || residual.device() != x.device())) {
    return false;
  }
  for (const auto* t : {&norm.weight, &norm.bias, &norm.running_mean, &norm.running_var}) {
    if (!t->defined() || t->scalar_type() != c10::kFloat || t->numel() != x.size(1) ||
        !t->is_contiguous())
      return false;
  }
  if (norm.weight._fw_grad(0).defined()) return false;
  return x.is_cuda() ? can_fuse_on_cuda(x, norm) : x.size(1) <= kMaxChannels;
}

void check_once_differentiated() {
  UNLAZY_CHECK(!at::GradMode::is_enabled(),
               "fused norm: cannot be differentiated twice; hold models::PlainOperators during "
               "the forward pass");
}

at::Tensor fused_batch_norm_train(const at::Tensor& x, const at::Tensor& residual,
                                  const BatchNormTensors& norm, bool relu) {
  if (x.is_cuda()) return fused_batch_norm_train_on_cuda(x, residual, norm, relu);
  if (norm.num_batches_tracked.defined() && norm.momentum != 0) norm.num_batches_tracked.add_(1);
  return FusedBatchNorm::apply(x, residual.defined() ? std::optional(residual) : std::nullopt,
                               norm.weight, norm.bias, norm, relu);
}

at::Tensor fused_batch_norm_eval(const at::Tensor& x, const at::Tensor& residual,
                                 const BatchNormTensors& norm, bool relu) {
  if (x.is_cuda()) return fused_batch_norm_eval_on_cuda(x, residual, norm, relu);
  at::NoGradGuard no_grad;
  const auto channels = static_cast<size_t>(x.size(1));
  std::vector<float> invstd(channels);
  for (size_t c = 0; c < channels; ++c) {
    invstd[c] = static_cast<float>(
        1.0 / std::sqrt(static_cast<double>(data<float>(norm.running_var)[c]) + norm.eps));
  }
  return apply_affine(x, residual, data<float>(norm.running_mean), invstd.data(),
                      data<float>(norm.weight), data<float>(norm.bias), relu);
}

}  // namespace unlazy::models
