#include "core/rng.h"

#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

namespace unlazy {

double Rng::uniform() {
  const uint64_t high = bits();
  const uint64_t low = bits();
  return static_cast<double>((high << 32 | low) >> 11) * 0x1p-53;
}

uint32_t Rng::below(uint32_t n) {
  uint64_t product = uint64_t{bits()} * n;
  if (static_cast<uint32_t>(product) < n) {
    const uint32_t threshold = (0u - n) % n;
    while (static_cast<uint32_t>(product) < threshold) product = uint64_t{bits()} * n;
  }
  return static_cast<uint32_t>(product >> 32);
}

double Rng::normal() {
  const double radius =
      std::sqrt(-2.0 * std::log1p(-uniform()));  // 1 - u is in (0, 1]: never log(0)
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

std::vector<int64_t> Rng::permutation(int64_t n) { return sample(n, n); }

std::vector<int64_t> Rng::sample(int64_t n, int64_t count) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), int64_t{0});
  for (int64_t i = 0; i < count; ++i) {
    const int64_t other = i + below(static_cast<uint32_t>(n - i));
    std::swap(order[static_cast<size_t>(i)], order[static_cast<size_t>(other)]);
  }
  order.resize(static_cast<size_t>(count));
  return order;
}

}  // namespace unlazy
