#include "report/axes.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/format.h"

namespace unlazy::report {

int x_power(const Panel& panel) {
  if (panel.log_x) return 0;
  double largest = panel.x_high != Panel::kAuto ? panel.x_high : 0;
  for (const auto& s : panel.series) {
    for (const double x : s.x) {
      if (std::isfinite(x)) largest = std::max(largest, std::fabs(x));
    }
  }
  return largest >= 1e4 ? static_cast<int>(std::floor(std::log10(largest))) : 0;
}

std::string bound_text(double value, double scale) {
  return value == Panel::kAuto ? "*" : number_text(value / scale);
}

std::pair<double, double> y_bounds(const Panel& panel) {
  double low = panel.y_low, high = panel.y_high;
  if (!panel.log_y) return {low, high};
  double least = HUGE_VAL, most = 0;
  for (const auto& s : panel.series) {
    for (const auto* list : {&s.y, &s.low, &s.high}) {
      for (const double y : *list) {
        if (!(y > 0) || !std::isfinite(y)) continue;
        least = std::min(least, y);
        most = std::max(most, y);
      }
    }
  }
  if (most == 0) return {low, high};
  const double room = std::max(1.2, std::pow(most / least, 0.05));
  if (low == Panel::kAuto) low = least / room;
  if (high == Panel::kAuto) high = most * room;
  return {low, high};
}

std::pair<double, double> short_decades(const Panel& panel) {
  if (!panel.log_x || panel.x_low != Panel::kAuto || panel.x_high != Panel::kAuto) return {0, 0};
  double least = HUGE_VAL, most = 0;
  for (const auto& s : panel.series) {
    for (const double x : s.x) {
      if (!(x > 0) || !std::isfinite(x)) continue;
      least = std::min(least, x);
      most = std::max(most, x);
    }
  }
  if (!(most > least) || most / least > 1000) return {0, 0};
  return {least, most};
}

std::string decade_ticks(double low, double high) {
  std::string list;
  const std::vector<double> digits = high / low < 6     ? std::vector<double>{1, 2, 3, 4, 5, 6, 8}
                                     : high / low < 200 ? std::vector<double>{1, 2, 5}
                                                        : std::vector<double>{1};
  for (int power = static_cast<int>(std::floor(std::log10(low))); power <= std::log10(high);
       ++power) {
    for (const double digit : digits) {
      const double tick = digit * std::pow(10.0, power);
      if (tick < low * 0.999 || tick > high * 1.001) continue;
      list += (list.empty() ? "" : ",") + number_text(std::stod(rounded_text(tick, 3)));
    }
  }
  return list;
}

}  // namespace unlazy::report
