#include "synthetic/engine/vector_loops.h"

#include <vector>

#include "synthetic/engine/buffer.h"

// Vectors are passed between inlined functions only, so the ABI for passing them does not matter.
#pragma GCC diagnostic ignored "-Wpsabi"

namespace unlazy::synthetic {
namespace {

// Working memory of a run: on the stack for usual sizes.
class Scratch {
 public:
  explicit Scratch(int64_t count) {
    if (count <= kSmall) return;
    large_ = Buffer(count);
    data_ = large_.data();
  }
  double* data() { return data_; }

 private:
  static constexpr int64_t kSmall = 512;
  alignas(64) double small_[kSmall];
  Buffer large_;
  double* data_ = small_;
};

// Tells the compiler that `value` may have changed.
#if defined(__x86_64__)
#define UNLAZY_KEEP(value) asm volatile("" : "+x"(value))
#else
#define UNLAZY_KEEP(value) asm volatile("" : "+m"(value))
#endif

#if defined(__x86_64__)
namespace avx512 {
#define UNLAZY_TARGET __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,fma"), hot))
constexpr int kLanes = 8, kTile = 3;
#include "synthetic/engine/vector_loops.inc"
#undef UNLAZY_TARGET
}  // namespace avx512

namespace avx2 {
#define UNLAZY_TARGET __attribute__((target("avx2,fma"), hot))
constexpr int kLanes = 4, kTile = 1;
#include "synthetic/engine/vector_loops.inc"
#undef UNLAZY_TARGET
}  // namespace avx2
#endif

namespace baseline {
#define UNLAZY_TARGET __attribute__((hot))
constexpr int kLanes = 2, kTile = 1;
#include "synthetic/engine/vector_loops.inc"
#undef UNLAZY_TARGET
}  // namespace baseline

#define UNLAZY_VECTOR_LOOPS(isa)                                                            \
  VectorLoops {                                                                             \
#isa, isa::run, isa::times, isa::transposed_times, isa::rank_one,                       \
        isa::rank_one_then_transposed_times, isa::recover, isa::markov, isa::multiply_adds, \
        isa::philox                                                                         \
  }

std::vector<VectorLoops> detect() {
  std::vector<VectorLoops> list;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw")) {
    list.push_back(UNLAZY_VECTOR_LOOPS(avx512));
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    list.push_back(UNLAZY_VECTOR_LOOPS(avx2));
#endif
  list.push_back(UNLAZY_VECTOR_LOOPS(baseline));
  return list;
}

const std::vector<VectorLoops>& all_vector_loops() {
  static const std::vector<VectorLoops> list = detect();
  return list;
}

}  // namespace

const VectorLoops& vector_loops() { return all_vector_loops().front(); }
int64_t num_vector_loops() { return static_cast<int64_t>(all_vector_loops().size()); }
const VectorLoops& vector_loops(int64_t i) { return all_vector_loops()[static_cast<size_t>(i)]; }

}  // namespace unlazy::synthetic
