#include "report/thin.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace unlazy::report {

std::vector<size_t> thinned(const std::vector<double>& values, size_t most) {
  std::vector<size_t> places;
  if (values.size() <= most) {
    places.resize(values.size());
    std::iota(places.begin(), places.end(), size_t{0});
    return places;
  }
  const size_t last = values.size() - 1, num_parts = (most - 2) / 2;
  places.push_back(0);
  for (size_t part = 0; part < num_parts; ++part) {
    // Of the values between the first and the last.
    const size_t begin = 1 + part * (last - 1) / num_parts;
    const size_t end = 1 + (part + 1) * (last - 1) / num_parts;
    size_t least = end, greatest = end;
    for (size_t i = begin; i < end; ++i) {
      if (!std::isfinite(values[i])) continue;
      if (least == end || values[i] < values[least]) least = i;
      if (greatest == end || values[i] > values[greatest]) greatest = i;
    }
    if (least == end) least = greatest = begin;
    places.push_back(std::min(least, greatest));
    if (least != greatest) places.push_back(std::max(least, greatest));
  }
  places.push_back(last);
  return places;
}

}  // namespace unlazy::report
