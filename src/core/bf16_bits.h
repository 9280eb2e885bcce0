// bfloat16 as its 16 bits, for kernels on the CPU and, under nvcc, on the GPU. Needs no LibTorch.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/simd.h"

/// Marks a function that device code calls too. Other compilers see a plain function.
#ifdef __CUDACC__
#define UNLAZY_HOST_DEVICE __host__ __device__
#else
#define UNLAZY_HOST_DEVICE
#endif

namespace unlazy {

using Bf16 = uint16_t;  // the bits of a bfloat16: the upper half of a float

UNLAZY_HOST_DEVICE UNLAZY_INLINE float widen(float value) { return value; }
UNLAZY_HOST_DEVICE UNLAZY_INLINE float widen(Bf16 bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value = 0;
  memcpy(&value, &wide, sizeof value);
  return value;
}

/// Writes `value` to `out`, as a bf16 rounded to nearest with ties to even; nan stays nan.
UNLAZY_HOST_DEVICE UNLAZY_INLINE void narrow(float value, float* out) { *out = value; }
UNLAZY_HOST_DEVICE UNLAZY_INLINE void narrow(float value, Bf16* out) {
  uint32_t bits = 0;
  memcpy(&bits, &value, sizeof bits);
  const uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
  *out = static_cast<Bf16>(value != value ? 0x7FC0u : rounded);
}

}  // namespace unlazy
