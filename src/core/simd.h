// Compiles one function for several x86 instruction sets and chooses one when the program starts.
// So one binary runs on every x86-64 machine and uses AVX-512 where it is available. Write plain
// loops and mark the function:
//   UNLAZY_SIMD void scale(float* x, int64_t n) { for (int64_t i = 0; i < n; ++i) x[i] *= 2; }
// Inner templates that it calls must be UNLAZY_INLINE, so that they are compiled with its
// instruction set. Other compilers, machines and the sanitizers (which cannot follow the choice at
// start-up) use the plain function.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12 && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define UNLAZY_SIMD \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), optimize("O3")))
#else
#define UNLAZY_SIMD
#endif
#define UNLAZY_INLINE inline __attribute__((always_inline))
