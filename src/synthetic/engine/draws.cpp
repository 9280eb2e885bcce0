#include "synthetic/engine/draws.h"

#include <cmath>
#include <numbers>

#include "core/rng.h"
#include "synthetic/engine/buffer.h"
#include "synthetic/engine/vector_loops.h"

namespace unlazy::synthetic {
namespace {

constexpr uint64_t kEpochs = uint64_t{1} << 55;  // places of the orders, past those of any step

// floor(word n / 2^64)
uint32_t index_from(uint32_t high, uint32_t low, uint64_t n) {
  return static_cast<uint32_t>((high * n + (low * n >> 32)) >> 32);
}

double normal_from(uint32_t first, uint32_t second) {
  const double u = (first + 0.5) * 0x1p-32, v = second * 0x1p-32;
  return std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
}

}  // namespace

void Draws::fill(int64_t first, int64_t count) {
  const int64_t total = count * rule_.batch, padded = round_up(total, 8);
  index_.resize(static_cast<size_t>(total));
  noise_.resize(static_cast<size_t>(total));
  places_.resize(static_cast<size_t>(padded));
  words_.resize(static_cast<size_t>(4 * padded));
  for (int64_t i = 0; i < padded; ++i) {
    places_[static_cast<size_t>(i)] =
        static_cast<uint64_t>(first * rule_.batch + i) << 8 | static_cast<uint64_t>(Stream::kOrder);
  }
  vector_loops().philox(seed_, places_.data(), padded, words_.data());
  if (rule_.with_replacement) {
    const auto n = static_cast<uint64_t>(n_);
    const uint32_t* words = words_.data();
    for (int64_t i = 0; i < total; ++i) {
      index_[static_cast<size_t>(i)] = index_from(words[i], words[padded + i], n);
    }
  } else {
    fill_order(first, count);
  }
  fill_noise(first, count, padded);
}

void Draws::fill_order(int64_t first, int64_t count) {
  const int64_t steps_per_epoch = n_ / rule_.batch;  // a rest smaller than a batch is left out
  for (int64_t t = 0; t < count; ++t) {
    const int64_t epoch = (first + t) / steps_per_epoch, place = (first + t) % steps_per_epoch;
    if (epoch != epoch_) {
      order_ = Rng(seed_, Stream::kOrder, kEpochs + static_cast<uint64_t>(epoch)).permutation(n_);
      epoch_ = epoch;
    }
    for (int64_t b = 0; b < rule_.batch; ++b) {
      index_[static_cast<size_t>(t * rule_.batch + b)] =
          static_cast<uint32_t>(order_[static_cast<size_t>(place * rule_.batch + b)]);
    }
  }
}

void Draws::fill_noise(int64_t first, int64_t count, int64_t padded) {
  const uint32_t* words = words_.data() + 2 * padded;
  for (int64_t t = 0; t < count; ++t) {
    const double size = rule_.noise_size(first + t);
    for (int64_t i = t * rule_.batch; i < (t + 1) * rule_.batch; ++i) {
      const double unit = rule_.is_gaussian ? normal_from(words[i], words[padded + i])
                                            : 1.0 - static_cast<double>(words[i] >> 31) * 2;
      noise_[static_cast<size_t>(i)] = size == 0 ? 0.0 : size * unit;
    }
  }
}

}  // namespace unlazy::synthetic
