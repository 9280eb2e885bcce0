// What gnuplot draws of a series.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "report/figure.h"

namespace unlazy::report {

/// The plot elements of a series: its band, then the line or points; none where there is nothing to
/// draw. `place`: among the series without a colour of their own; `index`: its block of NAME.csv;
/// `power`: of ten, taken out of the x axis.
std::vector<std::string> plot_elements(const Panel& panel, const Series& series, size_t place,
                                       size_t index, int power);

}  // namespace unlazy::report
