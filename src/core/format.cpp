#include "core/format.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace unlazy {
namespace {

template <class Float>
std::string shortest(Float value) {
  std::array<char, 64> buffer;
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return {buffer.data(), result.ptr};
}

template <class... Args>
std::string printed(const char* format, Args... args) {
  std::array<char, 64> buffer;
  std::snprintf(buffer.data(), buffer.size(), format, args...);
  return buffer.data();
}

}  // namespace

std::string number_text(double value) { return shortest(value); }
std::string number_text(float value) { return shortest(value); }
std::string rounded_text(double value, int digits) { return printed("%.*g", digits, value); }

std::string duration_text(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "?";
  const auto whole = std::llround(seconds);
  if (seconds < 59.95) return printed("%.1fs", seconds);
  if (whole < 3600) return printed("%lldm %02llds", whole / 60, whole % 60);
  return printed("%lldh %02lldm", whole / 3600, whole / 60 % 60);
}

std::string bytes_text(double bytes) {
  const std::array<const char*, 4> units = {"B", "kB", "MB", "GB"};
  size_t unit = 0;
  while (bytes >= (unit == 0 ? 999.5 : 999.95) && unit + 1 < units.size()) {
    bytes /= 1000;
    ++unit;
  }
  return printed(unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
}

}  // namespace unlazy
