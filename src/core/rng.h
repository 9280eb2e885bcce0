// Random numbers as a function of (seed, stream, step).
// Philox4x32-10 (Salmon et al. 2011) is counter-based: a draw needs no history. So a run resumed at
// step t continues with exactly the draws it would have made, and turning label noise on changes
// neither the batch order nor the crops. Numbers are drawn on the host and copied to the device
// with the batch, so a CPU run and a GPU run see the same batches.
#pragma once

#include <ATen/core/PhiloxRNGEngine.h>

#include <cstdint>
#include <vector>

namespace unlazy {

/// Independent families of draws. The numbers are part of the meaning of a seed: never renumber.
enum class Stream : uint8_t {
  kInit = 0,     // weights (PyTorch's own generator, seeded with the run's seed: see models/init.h)
  kOrder = 1,    // order of the samples, subsets
  kAugment = 2,  // crops and flips
  kNoise = 3,    // label noise
  kProbe = 4,    // random vectors of measurements
  kData = 5,     // synthetic data
  kDropout = 6,  // seeds of the layers that draw (models/exported)
};

/// Generator of the draws of one (seed, stream, step). Cheap to make: its state is one counter.
class Rng {
 public:
  Rng(uint64_t seed, Stream stream, uint64_t step = 0)
      : engine_(seed, (step << 8) | static_cast<uint64_t>(stream)) {}

  uint32_t bits() { return engine_(); }
  /// Uniform in [0, 1), 53 bits.
  double uniform();
  /// Uniform in {0, ..., n - 1}, without bias (Lemire 2019). n >= 1.
  uint32_t below(uint32_t n);
  /// True with probability p; p = 0 never, p = 1 always.
  bool bernoulli(double p) { return uniform() < p; }
  /// -1 or +1 with equal probability.
  double sign() { return (bits() >> 31) != 0 ? -1.0 : 1.0; }
  /// N(0, 1), Box-Muller.
  double normal();
  /// A uniformly random order of 0, ..., n - 1 (Fisher-Yates).
  std::vector<int64_t> permutation(int64_t n);
  /// `count` distinct numbers of 0, ..., n - 1 in random order. count <= n.
  std::vector<int64_t> sample(int64_t n, int64_t count);

 private:
  at::philox_engine engine_;
};

}  // namespace unlazy
