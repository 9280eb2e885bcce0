// Samples and label noise of the steps, drawn for many steps at a time.
// Sample b of step t reads one Philox block: that of Rng(seed, Stream::kOrder, t B + b). Words 0
// and 1 choose the sample, word 2 (and 3) the noise. So samples and noise do not depend on each
// other, on threads or on what is recorded. The index is floor(word n / 2^64); its bias is below
// n / 2^64. Without replacement, words 0 and 1 are not used: each epoch is a Fisher-Yates order
// from Rng(seed, kOrder) with step numbers after those of all steps.
#pragma once

#include <cstdint>
#include <vector>

#include "synthetic/method.h"

namespace unlazy::synthetic {

class Draws {
 public:
  Draws(const Rule& rule, int64_t n, uint64_t seed) : rule_(rule), n_(n), seed_(seed) {}

  /// Draws for steps first, ..., first + count - 1.
  void fill(int64_t first, int64_t count);
  const uint32_t* index() const { return index_.data(); }  // [count, B]
  const double* noise() const { return noise_.data(); }    // [count, B], epsilon

 private:
  void fill_order(int64_t first, int64_t count);
  void fill_noise(int64_t first, int64_t count, int64_t padded);

  Rule rule_;
  int64_t n_;
  uint64_t seed_;
  int64_t epoch_ = -1;
  std::vector<int64_t> order_;
  std::vector<uint64_t> places_;
  std::vector<uint32_t> words_, index_;
  std::vector<double> noise_;
};

}  // namespace unlazy::synthetic
