#include "report/plot_elements.h"

#include "core/format.h"
#include "report/axes.h"
#include "report/clip.h"
#include "report/legend.h"
#include "report/map.h"

namespace unlazy::report {
namespace {

bool is_single_point(const Panel& panel, const Series& s) {
  Series one;
  size_t count = 0;
  for (size_t i = 0; i < s.x.size() && count < 2; ++i) {
    one.x = {s.x[i]};
    one.y = {s.y[i]};
    count += has_points(panel, one) ? 1 : 0;
  }
  return count == 1;
}

}  // namespace

std::vector<std::string> plot_elements(const Panel& panel, const Series& s, size_t place,
                                       size_t index, int power) {
  if (!has_points(panel, s)) return {};
  if (!s.z.empty()) return map_elements(panel, index);
  const std::string data = "data index " + std::to_string(index) + " skip 1 ";
  const std::string unit = "/1e" + std::to_string(power) + ")", x = "($3" + unit;
  const std::string color = dash_text(s) + "lc rgb '" + color_text(s, place) + "'";
  const std::string fill = "lc rgb '" + color_text(s, place) + "'", title = " notitle";
  std::vector<std::string> list;
  if (!s.low.empty()) {
    const bool is_cut = !band_commands(panel, s, index).empty();
    list.push_back(
        (is_cut ? band_block(index) + " using ($1" + unit + ":2:3" : data + "using " + x + ":5:6") +
        " with filledcurves fs transparent solid 0.2 noborder " + fill + " notitle");
  }
  const std::string using_xy = data + "using " + x + ":4";
  if (!s.shade.empty()) {
    list.push_back(using_xy + ":7 with points pt 7 ps " + number_text(0.45 * s.size) +
                   " lc palette" + title);
    return list;
  }
  if (s.style != Series::Style::kBars && is_single_point(panel, s)) {  // no line to see
    list.push_back(using_xy + " with points pt 7 ps " + number_text(0.5 * s.size) + " " + fill +
                   title);
    return list;
  }
  switch (s.style) {
    case Series::Style::kLine:
      list.push_back(using_xy + " with lines lw " + number_text(1.8 * s.size) + " " + color +
                     title);
      break;
    case Series::Style::kLinePoints:
      list.push_back(using_xy + " with linespoints pt 7 ps " + number_text(0.35 * s.size) + " lw " +
                     number_text(1.8 * s.size) + " " + color + title);
      break;
    case Series::Style::kDashed:
      list.push_back(using_xy + " with lines lw " + number_text(1.4 * s.size) + " " + color +
                     title);
      break;
    case Series::Style::kPoints:
      list.push_back(using_xy + " with points pt 7 ps " + number_text(0.4 * s.size) + " " + fill +
                     title);
      break;
    case Series::Style::kBars:
      list.push_back(using_xy + " with boxes fs solid 0.6 noborder " + fill + title);
      break;
  }
  return list;
}

}  // namespace unlazy::report
