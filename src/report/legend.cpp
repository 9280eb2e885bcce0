#include "report/legend.h"

#include <algorithm>
#include <array>
#include <vector>

#include "report/colors.h"
#include "report/text.h"

namespace unlazy::report {
namespace {

constexpr double kSample = 42;  // of a line's sample with its spaces
constexpr std::array<const char*, kNumDashes> kDashes = {"", "dt (8,5) ", "dt (2,4) ",
                                                         "dt (10,4,2,4) "};
constexpr const char* kSpanColor = "#f0f0f0";

struct Entry {
  const Series* series;  // null: of the shaded spans
  double x, y;  // of the sample's left end, from the left end of the axes and the top of the legend
  std::string label, color;
};

std::vector<Entry> legend_of(const Panel& panel, double width) {
  std::vector<Entry> entries;
  double x = 0, y = 0;
  const auto add = [&](const Series* series, const std::string& label, const std::string& color) {
    const double need = kSample + text_width(label);
    if (x > 0 && x + need > width) {
      x = 0;
      y += kLegendRow;
    }
    entries.push_back({series, x, y, label, color});
    x += need;
  };
  size_t color = 0;
  for (const auto& s : panel.series) {
    const std::string text = color_text(s, color);
    if (s.color < 0 && s.rgb.empty()) ++color;
    if (!s.label.empty()) add(&s, s.label, text);
  }
  if (!panel.spans_label.empty()) add(nullptr, panel.spans_label, kSpanColor);
  return entries;
}

}  // namespace

std::string color_text(const Series& series, size_t place) {
  if (!series.rgb.empty()) return series.rgb;
  if (series.color == kGray) return "#777777";
  return palette_color(series.color >= 0 ? static_cast<size_t>(series.color) : place);
}

std::string dash_text(const Series& series) {
  const int dash = series.style == Series::Style::kDashed ? std::max(series.dash, 1) : series.dash;
  return kDashes.at(static_cast<size_t>(dash % kNumDashes));
}

double legend_height(const Panel& panel, double width) {
  const auto entries = legend_of(panel, width);
  return entries.empty() ? 0 : entries.back().y + kLegendRow;
}

const Panel* common_legend(const Figure& figure) {
  const auto found = std::ranges::find(figure.panels, Panel::Legend::kFigure, &Panel::legend);
  return found == figure.panels.end() ? nullptr : &*found;
}

void write_legend(std::ostringstream& out, const Panel& panel, const Layout& layout, double left,
                  double top, double width, int tag) {
  for (const auto& entry : legend_of(panel, width)) {
    const double x = left + entry.x, y = top + entry.y;
    if (entry.series == nullptr) {
      out << "  set object " << tag << " rectangle from " << layout.at(x, y + 6) << " to "
          << layout.at(x + 20, y - 6) << " fc rgb '" << entry.color << "' fs solid noborder\n";
    } else if (entry.series->style == Series::Style::kPoints || !entry.series->shade.empty()) {
      out << "  set label " << tag + 500 << " '' at " << layout.at(x + 10, y)
          << " point pt 7 ps 0.5 lc rgb '" << entry.color << "'\n";
    } else {
      out << "  set arrow " << tag << " from " << layout.at(x, y) << " to " << layout.at(x + 20, y)
          << " nohead lw 1.8 " << dash_text(*entry.series) << "lc rgb '" << entry.color << "'\n";
    }
    out << "  set label " << tag << " " << gnuplot_quoted(entry.label) << " at "
        << layout.at(x + 25, y) << " left font ',10' textcolor rgb '#333333'\n";
    ++tag;
  }
}

}  // namespace unlazy::report
