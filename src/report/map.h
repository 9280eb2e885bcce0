// Maps of a figure: a height over a grid as colours, with contour lines at round heights that are
// the ticks of the colour bar.
#pragma once

#include <string>
#include <vector>

#include "report/figure.h"

namespace unlazy::report {

/// Round heights strictly between the least and the greatest of `z`, about 8 of them, ascending:
/// multiples of 1, 2 or 5 times a power of ten, or for `is_log` 1, 1.5, 2, 3, 5, 7, 10, .., or 1,
/// 2, 5, 10, .., or powers of ten, whichever are not too many. Heights that are not finite (or not
/// positive for `is_log`) do not count.
std::vector<double> contour_levels(const std::vector<double>& z, bool is_log);

/// gnuplot: computes the contour lines of block `index` of NAME.csv; comes before the panels.
std::string contour_commands(const Panel& panel, const Series& series, size_t index);
/// gnuplot: colours, range and ticks of the colour bar of a panel with this map.
std::string map_scale(const Panel& panel, const Series& series);
/// gnuplot: the plot elements of the map.
std::vector<std::string> map_elements(const Panel& panel, size_t index);

}  // namespace unlazy::report
