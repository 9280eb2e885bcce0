#include "report/clip.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/format.h"
#include "report/axes.h"

namespace unlazy::report {
namespace {

double to_axis(double value, const AxisBounds& axis) {
  return axis.is_log ? std::log(value) : value;
}
double from_axis(double value, const AxisBounds& axis) {
  return axis.is_log ? std::exp(value) : value;
}

bool is_inside(double value, const AxisBounds& axis) {
  return value >= axis.low && value <= axis.high;
}

// One stretch of a band between two points, in the coordinates of the drawing.
struct Stretch {
  double x[2], low[2], high[2];
};

double between(const double (&ends)[2], double share) {
  return share == 1 ? ends[1] : ends[0] + share * (ends[1] - ends[0]);
}

// Where a side of the stretch crosses a bound, as a share of the way: 0 to 1.
void add_crossings(const double (&ends)[2], double low, double high, std::vector<double>& shares) {
  for (const double bound : {low, high}) {
    if ((ends[0] < bound) == (ends[1] < bound)) continue;
    const double share = (bound - ends[0]) / (ends[1] - ends[0]);
    if (share > 0 && share < 1) shares.push_back(share);
  }
}

AxisBounds axis_of(const std::pair<double, double>& bounds, bool is_log) {
  return {bounds.first != Panel::kAuto ? bounds.first
          : is_log                     ? 0
                                       : -HUGE_VAL,
          bounds.second != Panel::kAuto ? bounds.second : HUGE_VAL, is_log};
}

bool leaves(const BandPoints& band, const AxisBounds& x, const AxisBounds& y) {
  for (size_t i = 0; i < band.x.size(); ++i) {
    if (!is_inside(band.x[i], x) || !is_inside(band.low[i], y) || !is_inside(band.high[i], y))
      return true;
  }
  return false;
}

}  // namespace

BandPoints clipped(const BandPoints& band, const AxisBounds& x, const AxisBounds& y) {
  const double x_low = to_axis(x.low, x), x_high = to_axis(x.high, x);
  const double y_low = to_axis(y.low, y), y_high = to_axis(y.high, y);
  BandPoints out;
  const auto add = [&](double at, double low, double high) {
    const double place = from_axis(at, x);
    if (!out.x.empty() && out.x.back() == place && out.low.back() == low && out.high.back() == high)
      return;
    out.x.push_back(place);
    out.low.push_back(low);
    out.high.push_back(high);
  };
  const auto gap = [&] {
    if (!out.x.empty() && std::isfinite(out.x.back())) {
      out.x.push_back(NAN);
      out.low.push_back(NAN);
      out.high.push_back(NAN);
    }
  };
  for (size_t i = 1; i < band.x.size(); ++i) {
    Stretch s{};
    bool is_drawn = true;
    for (size_t k = 0; k < 2; ++k) {
      s.x[k] = to_axis(band.x[i - 1 + k], x);
      s.low[k] = to_axis(band.low[i - 1 + k], y);
      s.high[k] = to_axis(band.high[i - 1 + k], y);
      is_drawn =
          is_drawn && std::isfinite(s.x[k]) && std::isfinite(s.low[k]) && std::isfinite(s.high[k]);
    }
    std::vector<double> shares = {0, 1};
    add_crossings(s.x, x_low, x_high, shares);
    add_crossings(s.low, y_low, y_high, shares);
    add_crossings(s.high, y_low, y_high, shares);
    std::sort(shares.begin(), shares.end());
    for (size_t k = 1; k < shares.size() && is_drawn; ++k) {
      const double middle = (shares[k - 1] + shares[k]) / 2;
      const double at = between(s.x, middle);
      if (at < x_low || at > x_high || between(s.high, middle) < y_low ||
          between(s.low, middle) > y_high) {
        gap();
        continue;
      }
      for (const double share : {shares[k - 1], shares[k]}) {
        add(std::clamp(between(s.x, share), x_low, x_high),
            from_axis(std::clamp(between(s.low, share), y_low, y_high), y),
            from_axis(std::clamp(between(s.high, share), y_low, y_high), y));
      }
    }
    if (!is_drawn) gap();
  }
  if (!out.x.empty() && !std::isfinite(out.x.back())) {  // a gap before nothing
    out.x.pop_back();
    out.low.pop_back();
    out.high.pop_back();
  }
  return out;
}

std::string band_block(size_t index) { return "$band" + std::to_string(index); }

std::string band_commands(const Panel& panel, const Series& series, size_t index) {
  if (series.low.empty()) return "";
  const BandPoints band{series.x, series.low, series.high};
  const auto x = axis_of(x_bounds(panel), panel.log_x);
  const auto y = axis_of(y_bounds(panel), panel.log_y);
  if (!leaves(band, x, y)) return "";
  std::string text = band_block(index) + " << end\n";
  const auto part = clipped(band, x, y);
  for (size_t i = 0; i < part.x.size(); ++i) {
    if (std::isfinite(part.x[i]))
      text +=
          number_text(part.x[i]) + "," + number_text(part.low[i]) + "," + number_text(part.high[i]);
    text += "\n";  // an empty line parts two pieces
  }
  return text + "end\n";
}

}  // namespace unlazy::report
