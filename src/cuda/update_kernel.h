// The arithmetic of the optimizer's kernels, one parameter at a time, for the device and, in a
// test, for the host. They work on the flat buffers of optim/flat_parameters.h and do publish()'s
// work in the same pass: pruned weights become 0, and the bf16 copy is written. SGD's formula is in
// optim/sgd.cpp, the perturbation's in optim/sam.cpp. Roundings are those of LibTorch's kernel for
// the CPU, which fuses all products with their sums but that of the momentum. Does not use LibTorch.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/bf16_bits.h"

namespace unlazy::cuda {

/// Buffers of `size` parameters. Weights come first, then what has a bf16 copy, then the rest.
template <class T>
struct UpdateBuffers {
  T* values;           // [size]
  const T* gradients;  // [size]
  T* velocity;         // [size], or null: no momentum
  const bool* mask;    // [num_weights], false: pruned; or null
  Bf16* shadow;        // [num_low_precision], or null
  int64_t size, num_weights, num_low_precision;
};

struct SgdRule {
  double weight_decay, momentum;
  bool nesterov;
  int64_t num_decayed;  // weight decay acts on the first ones
};

/// a * b + c, rounded once.
UNLAZY_HOST_DEVICE inline float multiply_add(float a, float b, float c) { return fmaf(a, b, c); }
UNLAZY_HOST_DEVICE inline double multiply_add(double a, double b, double c) { return fma(a, b, c); }

/// a * b, rounded on its own: nvcc would fuse it with a sum that follows.
UNLAZY_HOST_DEVICE inline float multiply(float a, float b) {
#ifdef __CUDA_ARCH__
  return __fmul_rn(a, b);
#else
  return a * b;
#endif
}
UNLAZY_HOST_DEVICE inline double multiply(double a, double b) {
#ifdef __CUDA_ARCH__
  return __dmul_rn(a, b);
#else
  return a * b;
#endif
}

/// Writes `value` as parameter i.
template <class T>
UNLAZY_HOST_DEVICE inline void publish_element(const UpdateBuffers<T>& b, int64_t i, T value) {
  // Not a product with 0: that would make -0 of negative weights.
  if (b.mask != nullptr && i < b.num_weights && !b.mask[i]) value = 0;
  b.values[i] = value;
  if (b.shadow != nullptr && i < b.num_low_precision)
    narrow(static_cast<float>(value), b.shadow + i);
}

template <class T>
UNLAZY_HOST_DEVICE inline void sgd_element(const UpdateBuffers<T>& b, const SgdRule& rule, T rate,
                                           int64_t i) {
  const T w = b.values[i];
  T g = b.gradients[i];
  if (rule.weight_decay != 0 && i < rule.num_decayed)
    g = multiply_add(static_cast<T>(rule.weight_decay), w, g);
  if (b.velocity != nullptr) {
    const T momentum = static_cast<T>(rule.momentum);
    const T v = multiply(momentum, b.velocity[i]) + g;
    b.velocity[i] = v;
    g = rule.nesterov ? multiply_add(momentum, v, g) : v;
  }
  publish_element(b, i, multiply_add(-rate, g, w));
}

/// What SAM multiplies the gradient by. `norm` null: rho itself. Finite even if the norm is 0; nan
/// for a norm that is nan.
template <class T>
UNLAZY_HOST_DEVICE inline T perturbation_scale(const T* rho, const T* norm) {
  if (norm == nullptr) return *rho;
  const T least = static_cast<T>(1e-30);
  return *rho / (*norm < least ? least : *norm);
}

template <class T>
UNLAZY_HOST_DEVICE inline void perturb_element(const UpdateBuffers<T>& b, T scale, int64_t i) {
  publish_element(b, i, multiply_add(b.gradients[i], scale, b.values[i]));
}

}  // namespace unlazy::cuda
