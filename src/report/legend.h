// The legend of a panel, above its axes in as many rows as it needs, or above all panels.
#pragma once

#include <sstream>
#include <string>

#include "report/figure.h"
#include "report/layout.h"

namespace unlazy::report {

/// The colour of a series that is the `place`-th of its panel without one of its own.
std::string color_text(const Series& series, size_t place);
/// "dt (8,5) ", gnuplot's words for the dashes of a series; empty for a solid line.
std::string dash_text(const Series& series);

double legend_height(const Panel& panel, double width);

/// The panel whose legend stands above all panels; null: none.
const Panel* common_legend(const Figure& figure);

/// gnuplot's labels and arrows from number `tag` on, with the top left corner at (left, top).
void write_legend(std::ostringstream& out, const Panel& panel, const Layout& layout, double left,
                  double top, double width, int tag);

}  // namespace unlazy::report
