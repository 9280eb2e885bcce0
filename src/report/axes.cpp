#include "report/axes.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/format.h"

namespace unlazy::report {
namespace {

bool is_drawable(double value, bool is_log) {
  return std::isfinite(value) && (!is_log || value > 0);
}

// The bounds with room between them; `least` and `most`: of the data.
std::pair<double, double> with_room(double low, double high, double least, double most,
                                    bool is_log) {
  const bool is_open = low == Panel::kAuto || high == Panel::kAuto;
  if (is_open && least < most) return {low, high};
  if (least > most) least = most = is_log ? 1 : 0.5;  // no data: 0 to 1
  const double from = low == Panel::kAuto ? least : low, to = high == Panel::kAuto ? most : high;
  if (from < to) return {low, high};
  if (is_log) return {from / 2, from * 2};
  const double room = std::max(0.5, 0.05 * std::fabs(from));
  return {from - room, from + room};
}

}  // namespace

bool has_map(const Panel& panel) {
  return std::any_of(panel.series.begin(), panel.series.end(),
                     [](const Series& s) { return !s.z.empty(); });
}

int x_power(const Panel& panel) {
  if (panel.log_x || has_map(panel)) return 0;  // a map's points are drawn as they are
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

bool has_points(const Panel& panel, const Series& s) {
  for (size_t i = 0; i < s.x.size(); ++i) {
    const double z = s.z.empty() ? 1 : s.z[i];
    if (is_drawable(s.x[i], panel.log_x) && is_drawable(s.y[i], panel.log_y) &&
        is_drawable(z, panel.log_z))
      return true;
  }
  return false;
}

bool has_any_points(const Panel& panel) {
  return std::any_of(panel.series.begin(), panel.series.end(),
                     [&](const Series& s) { return has_points(panel, s); });
}

std::pair<double, double> x_bounds(const Panel& panel) {
  double least = HUGE_VAL, most = -HUGE_VAL;
  for (const auto& s : panel.series) {
    for (const double x : s.x) {
      if (!is_drawable(x, panel.log_x)) continue;
      least = std::min(least, x);
      most = std::max(most, x);
    }
  }
  return with_room(panel.x_low, panel.x_high, least, most, panel.log_x);
}

std::pair<double, double> y_bounds(const Panel& panel) {
  double low = panel.y_low, high = panel.y_high;
  double least = HUGE_VAL, most = -HUGE_VAL;
  for (const auto& s : panel.series) {
    for (const auto* list : {&s.y, &s.low, &s.high}) {
      for (const double y : *list) {
        if (!is_drawable(y, panel.log_y)) continue;
        least = std::min(least, y);
        most = std::max(most, y);
      }
    }
  }
  if (!panel.log_y || least > most) return with_room(low, high, least, most, panel.log_y);
  const double room = std::max(1.2, std::pow(most / least, 0.05));
  if (low == Panel::kAuto) low = least / room;
  if (high == Panel::kAuto) high = most * room;
  return {low, high};
}

void show_later_part(Panel& panel) {
  constexpr double kFirst = 0.1, kWide = 3, kLeastGain = 2.5;
  const auto [begin, end] = [&] {
    double least = HUGE_VAL, most = -HUGE_VAL;
    for (const auto& s : panel.series) {
      for (const double x : s.x) least = std::min(least, x), most = std::max(most, x);
    }
    return std::pair(least, most);
  }();
  double low = HUGE_VAL, high = -HUGE_VAL, highest = -HUGE_VAL;
  for (const auto& s : panel.series) {
    for (size_t i = 0; i < s.x.size(); ++i) {
      const bool is_later = s.x[i] >= begin + kFirst * (end - begin) && s.x[i] > begin;
      for (const auto* list : {&s.y, &s.low, &s.high}) {
        if (list->empty() || !std::isfinite((*list)[i])) continue;
        highest = std::max(highest, (*list)[i]);
        if (!is_later) continue;
        low = std::min(low, (*list)[i]);
        high = std::max(high, (*list)[i]);
      }
    }
  }
  if (!(high > low)) return;
  panel.log_y = low > 0 && high > kWide * low;
  const double room = 0.05 * (high - low);
  panel.y_low = panel.log_y ? low / 1.1 : low - room;
  const bool is_cut = panel.log_y ? std::log(highest / low) > kLeastGain * std::log(high / low)
                                  : highest - low > kLeastGain * (high - low);
  panel.y_high = !is_cut ? Panel::kAuto : panel.log_y ? high * 1.1 : high + room;
}

double x_tick_step(double low, double high, double width) {
  constexpr double kNumber = 40;  // a tick's number with the blank beside it, in points
  constexpr double kEnough = 240;
  if (width >= kEnough || low == Panel::kAuto || high == Panel::kAuto || !(high > low)) return 0;
  const double rough = (high - low) * kNumber / width;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough) return factor * power;
  }
  return 10 * power;
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
