#include "cuda/update_launch.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/zeros.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <c10/util/Exception.h>

#include <exception>
#include <map>
#include <mutex>
#include <string>

#include "cuda/update.h"

namespace unlazy::cuda {
namespace {

template <class T>
UpdateBuffers<T> buffers_of(const UpdateTensors& t) {
  return {t.values.mutable_data_ptr<T>(),
          t.gradients.const_data_ptr<T>(),
          t.velocity.defined() ? t.velocity.mutable_data_ptr<T>() : nullptr,
          t.mask.defined() ? t.mask.const_data_ptr<bool>() : nullptr,
          t.shadow.defined() ? static_cast<Bf16*>(t.shadow.mutable_data_ptr()) : nullptr,
          t.values.numel(),
          t.mask.defined() ? t.mask.numel() : 0,
          t.shadow.defined() ? t.shadow.numel() : 0};
}

template <class T>
void launch_perturb(const UpdateTensors& t, const at::Tensor& rho, const at::Tensor& norm) {
  C10_CUDA_CHECK(perturb(buffers_of<T>(t), rho.const_data_ptr<T>(),
                         norm.defined() ? norm.const_data_ptr<T>() : nullptr,
                         c10::cuda::getCurrentCUDAStream()));
}

// A problem with odd sizes and a mask, and the same after LibTorch's operations.
struct Problem {
  explicit Problem(c10::Device device) {
    constexpr int64_t kSize = 1001, kWeights = 701, kLow = 903;
    const auto options = at::TensorOptions(device).dtype(c10::kFloat);
    const auto places = at::arange(kSize, options);
    tensors = {(places * 1.7).sin(), (places * 0.9).cos(), (places * 0.3).sin(),
               places.narrow(0, 0, kWeights).remainder(3) != 0,
               at::zeros({kLow}, options.dtype(c10::kBFloat16))};
    lr = at::full({}, 0.0625, options);
  }

  void publish() const {
    const auto& t = tensors;
    t.values.narrow(0, 0, t.mask.numel()).masked_fill_(t.mask.logical_not(), 0);
    t.shadow.copy_(t.values.narrow(0, 0, t.shadow.numel()));
  }

  // The same values, and the bf16 copy of its own values to the bit.
  bool agrees(const Problem& other) const {
    const auto& t = tensors;
    const auto close = [](const at::Tensor& a, const at::Tensor& b) {
      return at::allclose(a, b, 1e-5, 1e-6);
    };
    return close(t.values, other.tensors.values) && close(t.velocity, other.tensors.velocity) &&
           at::equal(t.shadow, t.values.narrow(0, 0, t.shadow.numel()).to(c10::kBFloat16));
  }

  UpdateTensors tensors;
  at::Tensor lr;
};

bool sgd_agrees(c10::Device device, bool nesterov) {
  const Problem fused(device), plain(device);
  const SgdRule rule = {0.001, 0.9, nesterov, 802};
  sgd_update(fused.tensors, rule, fused.lr);
  const auto& t = plain.tensors;
  const auto part = [&](int64_t begin, int64_t end, double weight_decay) {
    const auto of = [&](const at::Tensor& whole) { return whole.narrow(0, begin, end - begin); };
    at::_fused_sgd_({of(t.values)}, {of(t.gradients)}, {of(t.velocity)}, weight_decay,
                    rule.momentum, plain.lr, /*dampening=*/0, nesterov, /*maximize=*/false,
                    /*is_first_step=*/false);
  };
  part(0, rule.num_decayed, rule.weight_decay);
  part(rule.num_decayed, t.values.numel(), 0);
  plain.publish();
  return fused.agrees(plain);
}

bool perturbation_agrees(c10::Device device) {
  const Problem fused(device), plain(device);
  const auto norm = at::linalg_vector_norm(plain.tensors.gradients);
  perturb(fused.tensors, fused.lr, norm);
  plain.tensors.values.addcmul_(plain.tensors.gradients, plain.lr / norm);
  plain.publish();
  return fused.agrees(plain);
}

// Empty where all is well.
std::string problem_of(c10::Device device) {
  try {
    const c10::cuda::CUDAGuard guard(device);
    if (!sgd_agrees(device, false) || !sgd_agrees(device, true)) return "SGD's kernel is wrong";
    return perturbation_agrees(device) ? "" : "the kernel of SAM's perturbation is wrong";
  } catch (const std::exception& error) {
    const std::string text = error.what();
    return text.substr(0, text.find('\n'));
  }
}

}  // namespace

void sgd_update(const UpdateTensors& tensors, const SgdRule& rule, const at::Tensor& lr) {
  const c10::cuda::CUDAGuard guard(tensors.values.device());
  const bool is_double = lr.scalar_type() == c10::kDouble;
  const auto stream = c10::cuda::getCurrentCUDAStream();
  if (tensors.values.scalar_type() == c10::kDouble) {
    C10_CUDA_CHECK(
        sgd_update(buffers_of<double>(tensors), rule, lr.const_data_ptr(), is_double, stream));
  } else {
    C10_CUDA_CHECK(
        sgd_update(buffers_of<float>(tensors), rule, lr.const_data_ptr(), is_double, stream));
  }
}

void perturb(const UpdateTensors& tensors, const at::Tensor& rho, const at::Tensor& norm) {
  const c10::cuda::CUDAGuard guard(tensors.values.device());
  if (tensors.values.scalar_type() == c10::kDouble) {
    launch_perturb<double>(tensors, rho, norm);
  } else {
    launch_perturb<float>(tensors, rho, norm);
  }
}

bool updates_agree(c10::Device device) {
  static std::mutex mutex;
  static std::map<c10::DeviceIndex, bool> known;
  const std::lock_guard lock(mutex);
  const auto found = known.find(device.index());
  if (found != known.end()) return found->second;
  const at::NoGradGuard no_grad;
  const auto problem = problem_of(device);
  if (!problem.empty()) {
    TORCH_WARN("the fused update is not used on ", device.str(), ", LibTorch's is: ", problem);
  }
  return known[device.index()] = problem.empty();
}

}  // namespace unlazy::cuda
