#include "report/map.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <sstream>
#include <utility>

#include "core/format.h"

namespace unlazy::report {
namespace {

constexpr size_t kMostLevels = 10;

struct Bounds {
  double low = HUGE_VAL, high = -HUGE_VAL;
};

Bounds bounds_of(const std::vector<double>& z, bool is_log) {
  Bounds bounds;
  for (const double value : z) {
    if (!std::isfinite(value) || (is_log && value <= 0)) continue;
    bounds.low = std::min(bounds.low, value);
    bounds.high = std::max(bounds.high, value);
  }
  return bounds;
}

std::vector<double> linear_levels(const Bounds& bounds) {
  const double rough = (bounds.high - bounds.low) / 8;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  const double factor = rough / power <= 1   ? 1
                        : rough / power <= 2 ? 2
                        : rough / power <= 5 ? 5
                                             : 10;
  std::vector<double> levels;
  const double step = factor * power;
  for (double k = std::floor(bounds.low / step) + 1; k * step < bounds.high; ++k)
    levels.push_back(std::stod(rounded_text(k * step, 12)));
  return levels;
}

std::vector<double> log_levels(const Bounds& bounds, const std::vector<double>& factors) {
  std::vector<double> levels;
  for (double e = std::floor(std::log10(bounds.low)); e <= std::log10(bounds.high); ++e) {
    for (const double factor : factors) {
      const double level = std::stod(number_text(factor) + "e" + number_text(e));
      if (level > bounds.low && level < bounds.high) levels.push_back(level);
    }
  }
  return levels;
}

// The heights over [0, 1] x [0, 1], straight between the points of the grid.
class Surface {
 public:
  explicit Surface(const Series& series) : series_(series) {
    columns_ = static_cast<size_t>(std::find_if(series.y.begin(), series.y.end(),
                                                [&](double y) { return y != series.y.front(); }) -
                                   series.y.begin());
    rows_ = series.y.size() / std::max<size_t>(columns_, 1);
  }
  bool is_grid() const { return columns_ > 1 && rows_ > 1; }
  double at(double u, double v) const {
    const double x = u * static_cast<double>(columns_ - 1), y = v * static_cast<double>(rows_ - 1);
    const auto i = std::min(static_cast<size_t>(x), columns_ - 2);
    const auto j = std::min(static_cast<size_t>(y), rows_ - 2);
    const double p = x - static_cast<double>(i), q = y - static_cast<double>(j);
    const auto z = [&](size_t column, size_t row) { return series_.z[row * columns_ + column]; };
    return (1 - q) * ((1 - p) * z(i, j) + p * z(i + 1, j)) +
           q * ((1 - p) * z(i, j + 1) + p * z(i + 1, j + 1));
  }
  ContourLabel label(double u, double v, const std::string& text) const {
    const auto &x = series_.x, &y = series_.y;
    return {x.front() + u * (x.back() - x.front()), y.front() + v * (y.back() - y.front()), text};
  }

 private:
  const Series& series_;
  size_t columns_ = 0, rows_ = 0;
};

using Place = std::pair<double, double>;  // in [0, 1] x [0, 1]

// Where a ray from the middle first meets the level; nothing where it does not.
std::optional<Place> meeting(const Surface& surface, double angle, double level) {
  constexpr int kSteps = 200;
  const double reach = 0.47 / std::max(std::abs(std::cos(angle)), std::abs(std::sin(angle)));
  double before = surface.at(0.5, 0.5);
  for (int k = 1; k <= kSteps; ++k) {
    const double r = reach * k / kSteps;
    const Place place = {0.5 + r * std::cos(angle), 0.5 + r * std::sin(angle)};
    const double z = surface.at(place.first, place.second);
    if (std::isfinite(z) && std::isfinite(before) && (z < level) != (before < level)) return place;
    before = z;
  }
  return std::nullopt;
}

// What is drawn: z, or its logarithm, so that contour lines are smooth over decades.
std::string height(const Panel& panel) { return panel.log_z ? "(log10($8))" : "8"; }
double height(const Panel& panel, double z) { return panel.log_z ? std::log10(z) : z; }

std::string block(size_t index) { return "data index " + std::to_string(index) + " skip 1 "; }
std::string contour(size_t index) { return "$contour" + std::to_string(index); }

}  // namespace

std::vector<double> contour_levels(const std::vector<double>& z, bool is_log) {
  const auto bounds = bounds_of(z, is_log);
  if (!(bounds.low < bounds.high)) return {};
  if (!is_log) return linear_levels(bounds);
  for (const auto& factors :
       {std::vector<double>{1, 1.5, 2, 3, 5, 7}, std::vector<double>{1, 2, 5}}) {
    auto levels = log_levels(bounds, factors);
    if (levels.size() <= kMostLevels) return levels;
  }
  return log_levels(bounds, {1});
}

std::vector<ContourLabel> contour_labels(const Series& series, bool is_log) {
  constexpr int kAngles = 48;
  constexpr double kRoom = 0.09;  // of the width of the map, between labels
  const Surface surface(series);
  std::vector<ContourLabel> labels;
  if (!surface.is_grid()) return labels;
  std::vector<Place> taken = {{0.5, 0.5}};  // there is the checkpoint
  for (const double level : contour_levels(series.z, is_log)) {
    Place best;
    double most = 0;
    for (int k = 0; k < kAngles; ++k) {
      const auto place = meeting(surface, 2 * M_PI * k / kAngles, level);
      if (!place) continue;
      double room = 0.3;  // more than that is not better
      for (const auto& other : taken) {
        room = std::min(room, std::hypot(place->first - other.first, place->second - other.second));
      }
      if (room > most) most = room, best = *place;
    }
    if (most < kRoom) continue;
    taken.push_back(best);
    labels.push_back(surface.label(best.first, best.second, rounded_text(level, 6)));
  }
  return labels;
}

std::string contour_commands(const Panel& panel, const Series& series, size_t index) {
  const auto levels = contour_levels(series.z, panel.log_z);
  if (levels.empty()) return contour(index) + " << end\nend\n";
  std::ostringstream out;
  out << "set cntrparam levels discrete ";
  for (size_t i = 0; i < levels.size(); ++i)
    out << (i == 0 ? "" : ", ") << number_text(height(panel, levels[i]));
  out << "\nset table " << contour(index) << "\nsplot " << block(index)
      << "using 3:4:" << height(panel) << " with lines\nunset table\n";
  return out.str();
}

std::string map_scale(const Panel& panel, const Series& series) {
  auto [low, high] = bounds_of(series.z, panel.log_z);
  if (!(low < high)) low = low == HUGE_VAL ? 1 : low, high = 2 * std::abs(low) + 1;
  std::ostringstream out;
  out << "  set palette defined (0 '#f7fbff', 0.25 '#c6dbef', 0.6 '#6baed6', 1 '#2171b5')\n"
      << "  set cbrange [" << number_text(height(panel, low)) << ":"
      << number_text(height(panel, high)) << "]\n  set cbtics (";
  const auto levels = contour_levels(series.z, panel.log_z);
  for (size_t i = 0; i < levels.size(); ++i) {
    out << (i == 0 ? "'" : ", '") << rounded_text(levels[i], 6) << "' "
        << number_text(height(panel, levels[i]));
  }
  out << ") scale 0 offset -0.8,0 font ',9'\n";
  return out.str();
}

// The table of contour lines is separated by blanks, the data by commas.
std::vector<std::string> map_elements(const Panel& panel, size_t index) {
  return {block(index) + "using 3:4:" + height(panel) + " with image notitle",
          contour(index) +
              " using (real(word(strcol(1),1))):(real(word(strcol(1),2))) with lines lw 0.8 lc rgb "
              "'#333333' notitle"};
}

}  // namespace unlazy::report
