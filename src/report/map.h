// Maps of a figure: a height over a grid as colours. Contour lines at round heights are the ticks
// of the colour bar.
#pragma once

#include <string>
#include <vector>

#include "report/figure.h"

namespace unlazy::report {

/// About 8 round heights strictly between the smallest and the largest of `z`, ascending: multiples
/// of 1, 2 or 5 times a power of ten. For `is_log`: 1, 1.5, 2, 3, 5, 7, 10, .., or 1, 2, 5, 10, ..,
/// or powers of ten, the densest of these that is not too dense. Heights that are not finite (or
/// not positive for `is_log`) do not count.
std::vector<double> contour_levels(const std::vector<double>& z, bool is_log);

/// A height written on its contour line.
struct ContourLabel {
  double x, y;
  std::string text;
};
/// At most one for each of contour_levels(): where a ray from the middle of the grid first meets the
/// level, as far from the other labels and the middle as can be. None where there is no room.
std::vector<ContourLabel> contour_labels(const Series& series, bool is_log);

/// gnuplot commands that compute the contour lines of block `index` of NAME.csv, before the panels.
std::string contour_commands(const Panel& panel, const Series& series, size_t index);
/// gnuplot commands for the colours, range and ticks of the colour bar of a panel with this map.
std::string map_scale(const Panel& panel, const Series& series);
/// The plot elements of the map, for gnuplot.
std::vector<std::string> map_elements(const Panel& panel, size_t index);

}  // namespace unlazy::report
