#include "synthetic/kernel.h"

#include <vector>

#include "synthetic/buffer.h"

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

#if defined(__x86_64__)
namespace avx512 {
#define UNLAZY_TARGET __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,fma"), hot))
constexpr int kLanes = 8, kTile = 3;
#include "synthetic/kernel.inc"
#undef UNLAZY_TARGET
}  // namespace avx512

namespace avx2 {
#define UNLAZY_TARGET __attribute__((target("avx2,fma"), hot))
constexpr int kLanes = 4, kTile = 1;
#include "synthetic/kernel.inc"
#undef UNLAZY_TARGET
}  // namespace avx2
#endif

namespace baseline {
#define UNLAZY_TARGET __attribute__((hot))
constexpr int kLanes = 2, kTile = 1;
#include "synthetic/kernel.inc"
#undef UNLAZY_TARGET
}  // namespace baseline

#define UNLAZY_KERNELS(isa)                                                                       \
  Kernels {                                                                                       \
    #isa, isa::run, isa::times, isa::transposed_times, isa::rank_one,                             \
        isa::rank_one_then_transposed_times, isa::recover, isa::markov, isa::philox                            \
  }

std::vector<Kernels> detect() {
  std::vector<Kernels> list;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw")) {
    list.push_back(UNLAZY_KERNELS(avx512));
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) list.push_back(UNLAZY_KERNELS(avx2));
#endif
  list.push_back(UNLAZY_KERNELS(baseline));
  return list;
}

const std::vector<Kernels>& all_kernels() {
  static const std::vector<Kernels> list = detect();
  return list;
}

}  // namespace

const Kernels& kernels() { return all_kernels().front(); }
int64_t num_kernels() { return static_cast<int64_t>(all_kernels().size()); }
const Kernels& kernels(int64_t i) { return all_kernels()[static_cast<size_t>(i)]; }

}  // namespace unlazy::synthetic
