// Where the parts of a figure stand: panels in rows, the title and the common legend above them.
// Lengths are points of the drawing, from the top left. A drawing is made for the screen, for a
// page or for a column of a paper; in print a point of the drawing is kPrintScale points.
#pragma once

#include <string>
#include <vector>

#include "core/format.h"
#include "report/figure.h"

namespace unlazy::report {

/// Room around the axes of a panel.
inline constexpr double kLeft = 94, kRight = 18, kBottom = 54, kTop = 32, kLegendRow = 17,
                        kBar = 34, kMapBar = 74;
/// Text of 10 points in a drawing is 7 points high in print.
inline constexpr double kPrintScale = 0.525;

struct Cell {
  double x, y, width, height;
};

struct Layout {
  std::vector<Cell> cells;  // one a panel
  double width = 0, height = 0;
  std::vector<std::string> title;  // its lines
  bool has_title = true;           // false with --no-title
  double legend_top = 0;           // of the common legend
  double png_scale = 2;            // pixels a point of the drawing

  /// A position as gnuplot's screen coordinates.
  std::string at(double x, double y) const {
    return "screen " + number_text(x / width) + ", screen " + number_text(1 - y / height);
  }
};

/// Throws Error when there are more panels than places.
Layout layout_of(const Figure& figure, const DrawOptions& options);

}  // namespace unlazy::report
