// What a batch adds to the sums behind the training curves: the arithmetic, for the device and for
// the host, which runs it as one thread. Does not use LibTorch, so that nvcc can compile it on a
// machine without LibTorch.
#pragma once

#include <cstdint>
#include <type_traits>

#include "core/bf16_bits.h"

namespace unlazy::cuda {

/// Places in the sums of a run, double [kNumAccountSums].
enum AccountSum : int {
  kSumOfSamples,
  kSumOfLoss,          // of the loss times the samples
  kSumOfRight,         // from here: numbers of samples whose class was predicted,
  kSumOfFlipped,       // whose label was flipped,
  kSumOfRightFlipped,  // both,
  kSumOfMemorized,     // whose label was flipped and predicted
  kFirstBadStep,       // not a sum: the first step whose loss was not finite; infinite: none
  kNumAccountSums
};
constexpr int kNumCounts = kFirstBadStep - kSumOfRight;

/// One batch. T: Bf16, float or double.
template <class T>
struct AccountArguments {
  using Loss = std::conditional_t<std::is_same_v<T, double>, double, float>;
  const T* logits;        // [batch, classes]
  const Loss* loss;       // scalar, mean over the batch
  const int64_t* labels;  // [batch] true classes
  const int64_t* seen;    // [batch] after label noise
  const int64_t* step;    // scalar
  int64_t batch, classes;
  double* sums;  // [kNumAccountSums]
};

/// Is `a` before `b` as a candidate for the greatest? nan counts as the greatest, as in at::argmax.
UNLAZY_HOST_DEVICE UNLAZY_INLINE bool is_greater(float a, float b) {
  return a > b || (a != a && b == b);
}
UNLAZY_HOST_DEVICE UNLAZY_INLINE bool is_greater(double a, double b) {
  return a > b || (a != a && b == b);
}
UNLAZY_HOST_DEVICE UNLAZY_INLINE bool is_greater(Bf16 a, Bf16 b) {
  return is_greater(widen(a), widen(b));
}

/// Adds the samples begin, begin + stride, ... to `counts` [kNumCounts].
template <class T>
UNLAZY_HOST_DEVICE inline void count_samples(const AccountArguments<T>& a, int64_t begin,
                                             int64_t stride, int64_t* counts) {
  for (int64_t b = begin; b < a.batch; b += stride) {
    const T* row = a.logits + b * a.classes;
    int64_t predicted = 0;
    for (int64_t k = 1; k < a.classes; ++k) {
      if (is_greater(row[k], row[predicted])) predicted = k;
    }
    const bool is_right = predicted == a.labels[b];
    const bool is_flipped = a.seen[b] != a.labels[b];
    counts[0] += is_right;
    counts[1] += is_flipped;
    counts[2] += is_right && is_flipped;
    counts[3] += is_flipped && predicted == a.seen[b];
  }
}

/// Adds the batch, whose `counts` are complete, to the sums.
template <class T>
UNLAZY_HOST_DEVICE inline void add_batch(const AccountArguments<T>& a, const int64_t* counts) {
  const double loss = static_cast<double>(*a.loss);
  const double samples = static_cast<double>(a.batch);
  a.sums[kSumOfSamples] += samples;
  a.sums[kSumOfLoss] += loss * samples;
  for (int i = 0; i < kNumCounts; ++i) a.sums[kSumOfRight + i] += static_cast<double>(counts[i]);
  const bool is_finite = loss - loss == 0;
  const double step = static_cast<double>(*a.step);
  if (!is_finite && step < a.sums[kFirstBadStep]) a.sums[kFirstBadStep] = step;
}

}  // namespace unlazy::cuda
