#include "report/layout.h"

#include <algorithm>

#include "core/error.h"
#include "report/legend.h"
#include "report/text.h"

namespace unlazy::report {
namespace {

constexpr double kTitleLine = 22, kTitleRoom = 6;  // a line of the title, and below the last
constexpr double kTitleFont = 1.2;                 // its font, of that of the legend
constexpr double kPixelsAPoint = 300 / 72.0;       // of a PNG for print

struct Sheet {
  double width;  // of the drawing; 0: as wide as the panels want
  int columns;   // at most
};

// A page of A4 or letter has 504 points (178 mm) between its margins, a column 240 (85 mm).
Sheet sheet_of(const DrawOptions& options) {
  if (options.width == "page") return {504 / kPrintScale, 3};
  if (options.width == "column") return {240 / kPrintScale, 1};
  return {0, 1000};
}

// Rows of more panels than fit become several of about equal length.
std::vector<int> rows_of_figure(const Figure& figure, int most) {
  const auto wanted = figure.columns.empty()
                          ? std::vector<int>{static_cast<int>(figure.panels.size())}
                          : figure.columns;
  std::vector<int> rows;
  for (const int count : wanted) {
    int left = count;
    for (int parts = (count + most - 1) / most; parts > 0; --parts) {
      rows.push_back((left + parts - 1) / parts);
      left -= rows.back();
    }
  }
  return rows;
}

std::vector<std::string> lines_of(const std::string& title, double width) {
  std::vector<std::string> lines;
  std::string line;
  for (size_t begin = 0; begin < title.size();) {
    size_t end = title.find_first_of(",;", begin);
    while (end != std::string::npos && title.compare(end + 1, 1, " ") != 0)
      end = title.find_first_of(",;", end + 1);
    const std::string part = title.substr(begin, end == std::string::npos ? end : end + 2 - begin);
    if (!line.empty() && kTitleFont * text_width(line + part) > width)
      lines.push_back(line), line = "";
    line += part;
    begin += part.size();
  }
  if (!line.empty()) lines.push_back(line);
  return lines;
}

}  // namespace

Layout layout_of(const Figure& figure, const DrawOptions& options) {
  const auto sheet = sheet_of(options);
  const auto rows = rows_of_figure(figure, sheet.columns);
  Layout layout;
  layout.has_title = !options.no_title;
  layout.width = sheet.width > 0 ? sheet.width
                                 : figure.panel_width * *std::max_element(rows.begin(), rows.end());
  if (sheet.width > 0) layout.png_scale = kPrintScale * kPixelsAPoint;
  double y = 0;
  if (!figure.title.empty() && !options.no_title) {
    layout.title = lines_of(figure.title, layout.width - 20);
    y += kTitleLine * static_cast<double>(layout.title.size()) + kTitleRoom;
  }
  layout.legend_top = y + 12;
  if (const auto* common = common_legend(figure))
    y += legend_height(*common, layout.width - kLeft) + 8;
  for (const int count : rows) {
    for (int c = 0; c < count; ++c)
      layout.cells.push_back(
          {c * layout.width / count, y, layout.width / count, figure.panel_height});
    y += figure.panel_height;
  }
  layout.height = y;
  UNLAZY_CHECK(layout.cells.size() >= figure.panels.size(), "figure ", figure.name, ": has ",
               figure.panels.size(), " panels but room for ", layout.cells.size());
  return layout;
}

}  // namespace unlazy::report
