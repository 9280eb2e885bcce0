#include "report/terminal_chart.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>

#include "core/format.h"

namespace unlazy::report {
namespace {

constexpr size_t kLabelWidth = 10;  // of the y axis, with the rule beside it
constexpr int kDotsAcross = 2, kDotsDown = 4;

// The bit of each dot of a braille character, by row and column (Unicode 2800 to 28FF).
constexpr int kDotBits[kDotsDown][kDotsAcross] = {
    {0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};

struct DotCell {
  int dots = 0;
  const TerminalLine* line = nullptr;  // that drew here last
  char mark = 0;
};

// A field of dots.
class Canvas {
 public:
  Canvas(size_t columns, size_t rows) : columns_(columns), rows_(rows), cells_(columns * rows) {}

  int dots_across() const { return static_cast<int>(columns_) * kDotsAcross; }
  int dots_down() const { return static_cast<int>(rows_) * kDotsDown; }

  void dot(int x, int y, const TerminalLine& line) {
    if (x < 0 || y < 0 || x >= dots_across() || y >= dots_down()) return;
    auto& cell = at(x, y);
    cell.dots |= kDotBits[y % kDotsDown][x % kDotsAcross];
    cell.line = &line;
  }

  // All dots between two ends.
  void stroke(int x0, int y0, int x1, int y1, const TerminalLine& line) {
    const int steps = std::max({std::abs(x1 - x0), std::abs(y1 - y0), 1});
    for (int i = 0; i <= steps; ++i) {
      const double share = static_cast<double>(i) / steps;
      dot(static_cast<int>(std::lround(x0 + share * (x1 - x0))),
          static_cast<int>(std::lround(y0 + share * (y1 - y0))), line);
    }
  }

  void mark(int x, int y, const TerminalLine& line) {
    auto& cell = at(x, y);
    cell.mark = line.mark;
    cell.line = &line;
  }

  std::string row(size_t row, bool has_colors) const {
    std::string text;
    for (size_t column = 0; column < columns_; ++column) {
      const auto& cell = cells_[row * columns_ + column];
      if (cell.line == nullptr) {
        text += ' ';
        continue;
      }
      const auto letter = cell.mark != 0 ? std::string(1, cell.mark) : braille(cell.dots);
      text += has_colors ? colored(letter, cell.line->color) : letter;
    }
    return text;
  }

 private:
  DotCell& at(int x, int y) {
    return cells_[static_cast<size_t>(y / kDotsDown) * columns_ +
                  static_cast<size_t>(x / kDotsAcross)];
  }
  // U+2800 + dots, in UTF-8.
  static std::string braille(int dots) {
    return {static_cast<char>(0xe2), static_cast<char>(0xa0 | dots >> 6),
            static_cast<char>(0x80 | (dots & 0x3f))};
  }

  size_t columns_, rows_;
  std::vector<DotCell> cells_;
};

// Values between two ends, as a share from 0 to 1.
struct Scale {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  bool is_log = false;

  bool is_drawn(double value) const { return std::isfinite(value) && (!is_log || value > 0); }
  double of(double value) const { return is_log ? std::log10(value) : value; }
  void include(double value) {
    if (!is_drawn(value)) return;
    low = std::min(low, of(value));
    high = std::max(high, of(value));
  }
  bool is_empty() const { return low > high; }
  double share(double value) const { return high > low ? (of(value) - low) / (high - low) : 0.5; }
  std::string label(double share) const {
    const double value = low + share * (high - low);
    return rounded_text(is_log ? std::pow(10, value) : value, 3);
  }
};

void draw_line(Canvas& canvas, const TerminalLine& line, const Scale& x, const Scale& y) {
  int before_x = 0, before_y = 0;
  bool has_before = false, has_any = false;
  for (size_t i = 0; i < line.x.size(); ++i) {
    if (!x.is_drawn(line.x[i]) || !y.is_drawn(line.y[i])) {
      has_before = false;
      continue;
    }
    const int at_x = static_cast<int>(std::lround(x.share(line.x[i]) * (canvas.dots_across() - 1)));
    const int at_y =
        static_cast<int>(std::lround((1 - y.share(line.y[i])) * (canvas.dots_down() - 1)));
    canvas.stroke(has_before ? before_x : at_x, has_before ? before_y : at_y, at_x, at_y, line);
    before_x = at_x;
    before_y = at_y;
    has_before = has_any = true;
  }
  if (has_any) canvas.mark(before_x, before_y, line);
}

std::string at_right(const std::string& text, size_t columns) {
  return text.size() >= columns ? text : std::string(columns - text.size(), ' ') + text;
}

}  // namespace

std::string fitted(const std::string& text, size_t columns) {
  size_t used = 0, bytes = 0;
  for (; bytes < text.size(); ++bytes) {
    const bool begins = (static_cast<unsigned char>(text[bytes]) & 0xC0) != 0x80;
    if (begins && used++ == columns) break;
  }
  const size_t shown = std::min(used, columns);
  return text.substr(0, bytes) + std::string(columns - shown, ' ');
}

std::string colored(const std::string& text, const std::string& color) {
  if (color.size() != 7 || color[0] != '#') return text;
  const auto part = [&](size_t at) {
    return std::to_string(std::strtol(color.substr(at, 2).c_str(), nullptr, 16));
  };
  return "\033[38;2;" + part(1) + ";" + part(3) + ";" + part(5) + "m" + text + "\033[0m";
}

std::vector<std::string> terminal_text(const TerminalChart& chart, size_t width, size_t height,
                                       bool has_colors) {
  width = std::max<size_t>(width, 24);
  height = std::max<size_t>(height, 5);
  const size_t rows = height - 2, columns = width - kLabelWidth;
  Canvas canvas(columns, rows);
  Scale x, y{.is_log = chart.log_y};
  for (const auto& line : chart.lines) {
    for (size_t i = 0; i < line.x.size(); ++i) {
      if (!x.is_drawn(line.x[i]) || !y.is_drawn(line.y[i])) continue;
      x.include(line.x[i]);
      y.include(line.y[i]);
    }
  }
  for (const auto& line : chart.lines) draw_line(canvas, line, x, y);
  std::vector<std::string> text = {fitted(chart.title + (chart.log_y ? " (log)" : ""), width)};
  for (size_t row = 0; row < rows; ++row) {
    const bool is_labelled = !y.is_empty() && (row == 0 || row == rows / 2 || row + 1 == rows);
    const double share =
        1 - static_cast<double>(row) / static_cast<double>(std::max<size_t>(rows - 1, 1));
    const auto label = is_labelled ? y.label(share) : "";
    text.push_back(at_right(label, kLabelWidth - 2) + (is_labelled ? " ┤" : " │") +
                   canvas.row(row, has_colors));
  }
  const auto left = x.is_empty() ? "no points yet" : x.label(0);
  const auto right = x.is_empty() ? "" : "epoch " + x.label(1);
  text.push_back(fitted(std::string(kLabelWidth, ' ') + left +
                            at_right(right, columns - std::min(columns, left.size())),
                        width));
  return text;
}

}  // namespace unlazy::report
