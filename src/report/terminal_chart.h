// Charts for a terminal, drawn with braille characters: each cell has 2 x 4 dots.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace unlazy::report {

/// A line. Points that are not finite (or not positive on a logarithmic axis) leave a gap.
struct TerminalLine {
  std::vector<double> x, y;
  std::string color;  // "#rrggbb"
  char mark = 'a';    // stands at the line's last point, so that lines differ without colours, too
};

struct TerminalChart {
  std::string title;
  bool log_y = false;
  std::vector<TerminalLine> lines;
};

/// The chart as `height` lines of text (at least 5) that are `width` columns (at least 24) wide: the
/// title, the curves with labels of the y axis, and the ends of the x axis. `has_colors`: with
/// escape codes for colours.
std::vector<std::string> terminal_text(const TerminalChart& chart, size_t width, size_t height,
                                       bool has_colors);

/// The text in that colour ("#rrggbb"), by escape codes.
std::string colored(const std::string& text, const std::string& color);

/// The text cut or filled with blanks to `columns` columns; whole characters of UTF-8, each of which
/// counts as one column.
std::string fitted(const std::string& text, size_t columns);

}  // namespace unlazy::report
