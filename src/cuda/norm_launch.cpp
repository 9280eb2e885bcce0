#include "cuda/norm_launch.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/native_batch_norm.h>
#include <ATen/ops/native_batch_norm_backward.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGraphsC10Utils.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <exception>
#include <map>
#include <mutex>
#include <string>
#include <tuple>

#include "core/error.h"
#include "cuda/norm.h"
#include "cuda/norm_kernel.h"

namespace unlazy::cuda {
namespace {

// Tickets are zero before and after each launch, so they need no filling: that would be one more
// node of a graph for each layer. Launches take them in turn, and two that run at the same time
// share none unless kTickets others lie between them.
constexpr int64_t kTickets = 1 << 16;

struct DeviceState {
  bool agree = false;
  at::Tensor tickets;  // [kTickets] Int
  int64_t next = 0;
};

std::mutex mutex;
// Never destroyed: CUDA may be gone by then.
std::map<int, DeviceState>& states() {
  static auto* const map = new std::map<int, DeviceState>();
  return *map;
}

unsigned* take_tickets(const c10::Device& device, int64_t count) {
  const std::lock_guard lock(mutex);
  DeviceState& state = states()[device.index()];
  UNLAZY_CHECK(state.tickets.defined() && count <= kTickets,
               "fused norm: no tickets; ask norm_kernels_agree first");
  if (state.next + count > kTickets) state.next = 0;
  int* const first = state.tickets.mutable_data_ptr<int>() + state.next;
  state.next += count;
  return reinterpret_cast<unsigned*>(first);
}

NormShape shape_of(const at::Tensor& x) { return {x.numel() / x.size(1), x.size(1)}; }

template <size_t n>
NormKind kind_of(const std::array<at::Tensor, n>& activations) {
  const at::Tensor& x = activations[0];
  const bool is_bf16 = x.scalar_type() == c10::kBFloat16;
  bool is_wide = x.size(1) % (is_bf16 ? 8 : 4) == 0;
  for (const auto& t : activations) {
    is_wide =
        is_wide && (!t.defined() || reinterpret_cast<uintptr_t>(t.const_data_ptr()) % 16 == 0);
  }
  return {is_bf16, is_wide};
}

// `partials` is the memory; it may be freed after the launch, since memory is handed out again in
// the order of the stream.
NormScratch make_scratch(const at::Tensor& x, const NormKind& kind, at::Tensor* partials) {
  const auto shape = shape_of(x);
  const int64_t width = !kind.is_wide ? 1 : kind.is_bf16 ? 8 : 4;
  const auto layout = norm_sum_layout(shape.rows, shape.channels, width);
  *partials = at::empty({layout.row_blocks, 2, shape.channels}, x.options().dtype(c10::kFloat));
  return {partials->mutable_data_ptr<float>(), take_tickets(x.device(), layout.tiles)};
}

const void* data(const at::Tensor& t) { return t.defined() ? t.const_data_ptr() : nullptr; }
void* mutable_data(const at::Tensor& t) { return t.defined() ? t.mutable_data_ptr() : nullptr; }
float* mutable_floats(const at::Tensor& t) {
  return t.defined() ? t.mutable_data_ptr<float>() : nullptr;
}

at::Tensor channel_vector(const at::Tensor& x) {
  return at::empty({x.size(1)}, x.options().dtype(c10::kFloat));
}

NormApplyArguments apply_arguments(const at::Tensor& x, const at::Tensor& residual,
                                   const NormWeights& weights, bool relu, const at::Tensor& y) {
  NormApplyArguments a{};
  a.x = data(x);
  a.residual = data(residual);
  a.shape = shape_of(x);
  a.weight = weights.weight.const_data_ptr<float>();
  a.bias = weights.bias.const_data_ptr<float>();
  a.relu = relu;
  a.y = mutable_data(y);
  return a;
}

// The largest relative error of a pair, by norms; infinite for nan.
double error_of(const at::Tensor& actual, const at::Tensor& expected) {
  const auto wide = expected.to(c10::kDouble);
  const double error =
      ((actual.to(c10::kDouble) - wide).norm() / (wide.norm() + 1e-6)).item<double>();
  return std::isnan(error) ? INFINITY : error;
}

struct Problem {
  c10::ScalarType dtype;
  int64_t channels;
  bool has_residual, relu;
};

// The largest error of the kernels on one random problem. LibTorch's own generators stay.
double problem_error(const c10::Device& device, const Problem& p) {
  auto generator = at::detail::createCPUGenerator(/*seed_val=*/11);
  const auto draw = [&](at::IntArrayRef sizes) {
    return at::randn(sizes, generator, at::TensorOptions().dtype(c10::kFloat)).to(device);
  };
  const auto activation = [&] {
    return draw({3, p.channels, 25, 13}).to(p.dtype).contiguous(at::MemoryFormat::ChannelsLast);
  };
  const auto x = activation() + 2, dy = activation();
  const auto residual = p.has_residual ? activation() : at::Tensor();
  const NormWeights weights{draw({p.channels}), draw({p.channels})};
  const auto options = weights.weight.options();
  const NormRunning running{at::zeros({p.channels}, options), at::ones({p.channels}, options),
                            at::zeros({}, options.dtype(c10::kLong)), 0.25};
  constexpr double kEps = 1e-5;
  const auto [y, mean, invstd] = norm_train(x, residual, weights, running, kEps, p.relu);
  const auto [dx, dresidual, dweight, dbias] =
      norm_backward(dy, {x, y, weights, mean, invstd, p.has_residual, p.relu});
  const auto y_eval = norm_eval(x, residual, weights, running, kEps, p.relu);

  const auto wide = x.to(c10::kFloat);
  const auto finish = [&](at::Tensor value) {
    if (p.has_residual) value = value + residual.to(c10::kFloat);
    return p.relu ? at::relu(value) : value;
  };
  const auto moved_mean = at::zeros({p.channels}, options),
             moved_var = at::ones({p.channels}, options);
  const auto [plain, batch_mean, batch_invstd] = at::native_batch_norm(
      wide, weights.weight, weights.bias, moved_mean, moved_var, true, running.momentum, kEps);
  const auto plain_eval = std::get<0>(at::native_batch_norm(
      wide, weights.weight, weights.bias, moved_mean, moved_var, false, running.momentum, kEps));
  auto g = dy.to(c10::kFloat);
  if (p.relu) g = at::where(y > 0, g, at::zeros_like(g));
  const auto [plain_dx, plain_dweight, plain_dbias] =
      at::native_batch_norm_backward(g, wide, weights.weight, moved_mean, moved_var, batch_mean,
                                     batch_invstd, true, kEps, {true, true, true});

  // Both are rounded to bf16 then, and a few values to different sides.
  const double rounding = p.dtype == c10::kBFloat16 ? 10 : 1;
  double error = std::max({error_of(mean, batch_mean), error_of(invstd, batch_invstd),
                           error_of(running.mean, moved_mean), error_of(running.var, moved_var),
                           error_of(dweight, plain_dweight), error_of(dbias, plain_dbias),
                           error_of(y, finish(plain).to(p.dtype)) / rounding,
                           error_of(y_eval, finish(plain_eval).to(p.dtype)) / rounding,
                           error_of(dx, plain_dx.to(p.dtype)) / rounding,
                           error_of(running.num_batches_tracked, at::ones({}, options))});
  if (p.has_residual) error = std::max(error, error_of(dresidual, g));
  return error;
}

// Empty, or what is wrong.
std::string disagreement(const c10::Device& device) {
  constexpr double kTolerance = 1e-4;
  try {
    const at::NoGradGuard no_grad;
    for (const auto dtype : {c10::kFloat, c10::kBFloat16}) {
      for (const int64_t channels : {5, 64, 136}) {
        for (const auto& [has_residual, relu] :
             {std::pair{false, false}, {false, true}, {true, false}, {true, true}}) {
          const double error = problem_error(device, {dtype, channels, has_residual, relu});
          if (error > kTolerance) {
            return "they differ from LibTorch's by " + std::to_string(error) + " with " +
                   std::to_string(channels) + " channels";
          }
        }
      }
    }
  } catch (const std::exception& error) {
    const std::string text = error.what();
    return text.substr(0, text.find('\n'));
  }
  return {};
}

}  // namespace

bool norm_kernels_agree(const c10::Device& device) {
  static std::mutex check_mutex;  // held during the check, which takes tickets under the other
  const std::lock_guard check_lock(check_mutex);
  {
    const std::lock_guard lock(mutex);
    const auto found = states().find(device.index());
    if (found != states().end()) return found->second.agree;
  }
  const c10::cuda::CUDAGuard guard(device);
  if (c10::cuda::currentStreamCaptureStatusMayInitCtx() != c10::cuda::CaptureStatus::None) {
    return false;
  }
  const auto tickets = at::zeros({kTickets}, at::TensorOptions(device).dtype(c10::kInt));
  {
    const std::lock_guard lock(mutex);
    states()[device.index()].tickets = tickets;
  }
  const std::string problem = disagreement(device);
  if (!problem.empty()) {
    // LibTorch's handler of warnings prints it, or gives it to a program that sets another.
    TORCH_WARN("fused normalisation is off on ", device.str(), ": ", problem);
  }
  const std::lock_guard lock(mutex);
  return states()[device.index()].agree = problem.empty();
}

NormOutput norm_train(const at::Tensor& x, const at::Tensor& residual, const NormWeights& weights,
                      const NormRunning& running, double eps, bool relu) {
  const c10::cuda::CUDAGuard guard(x.device());
  const auto stream = c10::cuda::getCurrentCUDAStream();
  NormOutput out{at::empty_like(x), channel_vector(x), channel_vector(x)};
  const auto kind = kind_of(std::array{x, residual, out.y});
  at::Tensor partials;
  NormStatisticsArguments s{};
  s.x = data(x);
  s.shape = shape_of(x);
  s.scratch = make_scratch(x, kind, &partials);
  s.mean = mutable_floats(out.mean);
  s.invstd = mutable_floats(out.invstd);
  s.momentum = running.momentum;
  s.eps = eps;
  if (running.momentum != 0) {
    s.running_mean = mutable_floats(running.mean);
    s.running_var = mutable_floats(running.var);
    if (running.num_batches_tracked.defined()) {
      s.num_batches_tracked = running.num_batches_tracked.mutable_data_ptr<int64_t>();
    }
  }
  C10_CUDA_CHECK(norm_statistics(s, kind, stream));
  auto a = apply_arguments(x, residual, weights, relu, out.y);
  a.mean = s.mean;
  a.invstd = s.invstd;
  C10_CUDA_CHECK(norm_apply(a, kind, stream));
  return out;
}

at::Tensor norm_eval(const at::Tensor& x, const at::Tensor& residual, const NormWeights& weights,
                     const NormRunning& running, double eps, bool relu) {
  const c10::cuda::CUDAGuard guard(x.device());
  at::Tensor y = at::empty_like(x);
  auto a = apply_arguments(x, residual, weights, relu, y);
  a.mean = running.mean.const_data_ptr<float>();
  a.variance = running.var.const_data_ptr<float>();
  a.eps = eps;
  C10_CUDA_CHECK(
      norm_apply(a, kind_of(std::array{x, residual, y}), c10::cuda::getCurrentCUDAStream()));
  return y;
}

NormGradients norm_backward(const at::Tensor& dy, const NormSaved& saved) {
  const c10::cuda::CUDAGuard guard(dy.device());
  const auto& x = saved.x;
  const bool is_masked = saved.has_residual && saved.relu;
  NormGradients out{at::empty_like(x), {}, channel_vector(x), channel_vector(x)};
  if (saved.has_residual) out.dresidual = is_masked ? at::empty_like(x) : dy;
  const at::Tensor y = is_masked ? saved.y : at::Tensor();
  const auto kind = kind_of(std::array{x, dy, y, out.dx, out.dresidual});
  at::Tensor partials;
  NormGradientArguments a{};
  a.dy = data(dy);
  a.x = data(x);
  a.y = data(y);
  a.shape = shape_of(x);
  a.scratch = make_scratch(x, kind, &partials);
  a.mean = saved.mean.const_data_ptr<float>();
  a.invstd = saved.invstd.const_data_ptr<float>();
  a.weight = saved.weights.weight.const_data_ptr<float>();
  a.bias = saved.weights.bias.const_data_ptr<float>();
  a.mask = is_masked ? NormMask::kOutput : saved.relu ? NormMask::kInput : NormMask::kNone;
  a.dweight = mutable_floats(out.dweight);
  a.dbias = mutable_floats(out.dbias);
  a.masked = is_masked ? mutable_data(out.dresidual) : nullptr;
  a.dx = mutable_data(out.dx);
  C10_CUDA_CHECK(norm_gradient(a, kind, c10::cuda::getCurrentCUDAStream()));
  return out;
}

}  // namespace unlazy::cuda
