// The style of every picture: light grid, two thin borders, the palette of Okabe and Ito (safe for
// colour-blind readers), title and legend above the axes where they cover no data, and long step
// axes in powers of ten.
#include "report/figure.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <sstream>

#include "core/error.h"
#include "core/files.h"
#include "core/format.h"
#include "report/axes.h"
#include "report/clip.h"
#include "report/map.h"
#include "report/text.h"

namespace unlazy::report {
namespace {

namespace fs = std::filesystem;

constexpr std::array kPalette = {"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                 "#E69F00", "#56B4E9", "#332288", "#882255"};
constexpr double kPngScale = 2;  // pixels a point

// Room around the axes, in points.
constexpr double kLeft = 94, kRight = 18, kBottom = 54, kTop = 32, kLegendRow = 17, kBar = 34,
                 kMapBar = 74, kFigureTitle = 28;
// Of a legend's line sample with its spaces.
constexpr double kSample = 42;

std::string color_text(const Series& series, size_t place) {
  if (series.color == kGray) return "#777777";
  return kPalette[(series.color >= 0 ? static_cast<size_t>(series.color) : place) %
                  kPalette.size()];
}

// --- NAME.csv: a block a series, two empty lines between blocks (gnuplot's `index`) ---

std::string csv_text(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : one_line(text)) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

void check_series(const Figure& figure, const Series& s) {
  const auto fits = [&](const std::vector<double>& list) {
    return list.empty() || list.size() == s.x.size();
  };
  UNLAZY_CHECK(s.x.size() == s.y.size() && fits(s.low) && fits(s.high) && fits(s.shade) &&
                   fits(s.z) && s.low.empty() == s.high.empty(),
               "figure ", figure.name, ": series '", s.label, "' has lists of different lengths");
}

std::string csv_of(const Figure& figure) {
  std::ostringstream out;
  const bool has_z = std::any_of(figure.panels.begin(), figure.panels.end(), has_map);
  out << "panel,series,x,y,low,high,shade" << (has_z ? ",z\n" : "\n");
  for (const auto& panel : figure.panels) {
    for (const auto& s : panel.series) {
      check_series(figure, s);
      const std::string head = csv_text(panel.title) + "," + csv_text(s.label) + ",";
      for (size_t i = 0; i < s.x.size(); ++i) {
        if (!s.z.empty() && i > 0 && s.y[i] != s.y[i - 1]) out << "\n";  // gnuplot: a new row
        out << head << number_text(s.x[i]) << "," << number_text(s.y[i]) << ",";
        if (!s.low.empty())
          out << number_text(s.low[i]) << "," << number_text(s.high[i]);
        else
          out << ",";
        out << ",";
        if (!s.shade.empty()) out << number_text(s.shade[i]);
        if (has_z) out << (s.z.empty() ? "," : "," + number_text(s.z[i]));
        out << "\n";
      }
      if (s.x.empty()) out << head << "nan,nan,,," << (has_z ? ",\n" : "\n");
      out << "\n\n";
    }
  }
  return out.str();
}

// --- NAME.gp ---

void write_axes(std::ostringstream& out, const Panel& panel, int power, double width) {
  const double scale = std::pow(10.0, power);
  out << "  unset logscale\n  set xtics autofreq\n  set ytics autofreq\n";
  if (panel.log_x) out << "  set logscale x\n";
  if (panel.log_y) out << "  set logscale y\n";
  out << "  set format x " << (panel.log_x ? "'10^{%L}'" : "'%g'") << "\n  set format y "
      << (panel.log_y ? "'10^{%L}'" : "'%g'") << "\n";
  const auto [x_low, x_high] = x_bounds(panel);
  out << "  set xrange [" << bound_text(x_low, scale) << ":" << bound_text(x_high, scale) << "]\n";
  if (const double step = panel.log_x ? 0 : x_tick_step(x_low, x_high, width); step > 0)
    out << "  set xtics " << number_text(step / scale) << "\n";
  if (const auto [least, most] = short_decades(panel); most > 0) {
    const double room = std::pow(most / least, 0.02);
    out << "  set xrange [" << number_text(least / room) << ":" << number_text(most * room)
        << "]\n  set format x '%g'\n  set xtics (" << decade_ticks(least, most) << ")\n";
  }
  const auto [low, high] = y_bounds(panel);
  out << "  set yrange [" << bound_text(low, 1) << ":" << bound_text(high, 1) << "]\n";
}

struct Entry {
  size_t series;
  double x, y;  // of the sample's left end, from the left end of the axes and the top of the legend
  std::string color;
};

// The legend above the axes, as many rows as it needs.
std::vector<Entry> legend_of(const Panel& panel, double width) {
  std::vector<Entry> entries;
  if (panel.legend == Panel::Legend::kNone) return entries;
  double x = 0, y = 0;
  size_t color = 0;
  for (size_t i = 0; i < panel.series.size(); ++i) {
    const auto& s = panel.series[i];
    const std::string text = color_text(s, color);
    if (s.color < 0) ++color;
    if (s.label.empty()) continue;
    const double need = kSample + text_width(s.label);
    if (x > 0 && x + need > width) {
      x = 0;
      y += kLegendRow;
    }
    entries.push_back({i, x, y, text});
    x += need;
  }
  return entries;
}

double legend_height(const Panel& panel, double width) {
  const auto entries = legend_of(panel, width);
  return entries.empty() ? 0 : entries.back().y + kLegendRow;
}

// Positions in points from the top left as gnuplot's screen coordinates.
struct Screen {
  double width, height;
  std::string at(double x, double y) const {
    return "screen " + number_text(x / width) + ", screen " + number_text(1 - y / height);
  }
};

void write_legend(std::ostringstream& out, const Panel& panel, const Screen& screen, double left,
                  double top, double width) {
  int tag = 10;
  for (const auto& entry : legend_of(panel, width)) {
    const auto& s = panel.series[entry.series];
    const double x = left + entry.x, y = top + entry.y;
    const bool is_point = s.style == Series::Style::kPoints || !s.shade.empty();
    if (is_point) {
      out << "  set label " << tag + 500 << " '' at " << screen.at(x + 10, y)
          << " point pt 7 ps 0.5 lc rgb '" << entry.color << "'\n";
    } else {
      out << "  set arrow " << tag << " from " << screen.at(x, y) << " to " << screen.at(x + 20, y)
          << " nohead lw 1.8 " << (s.style == Series::Style::kDashed ? "dt (8,5) " : "")
          << "lc rgb '" << entry.color << "'\n";
    }
    out << "  set label " << tag << " " << gnuplot_quoted(s.label) << " at " << screen.at(x + 25, y)
        << " left font ',10' textcolor rgb '#333333'\n";
    ++tag;
  }
}

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

// The plot elements of a series: its band, then the line or points; none where there is nothing to
// draw.
std::vector<std::string> elements(const Panel& panel, const Series& s, size_t place, size_t index,
                                  int power) {
  if (!has_points(panel, s)) return {};
  if (!s.z.empty()) return map_elements(panel, index);
  const std::string data = "data index " + std::to_string(index) + " skip 1 ";
  const std::string unit = "/1e" + std::to_string(power) + ")", x = "($3" + unit;
  const std::string color = "lc rgb '" + color_text(s, place) + "'";
  const std::string title = " notitle";
  std::vector<std::string> list;
  if (!s.low.empty()) {
    const bool is_cut = !band_commands(panel, s, index).empty();
    list.push_back(
        (is_cut ? band_block(index) + " using ($1" + unit + ":2:3" : data + "using " + x + ":5:6") +
        " with filledcurves fs transparent solid 0.2 noborder " + color + " notitle");
  }
  const std::string using_xy = data + "using " + x + ":4";
  if (!s.shade.empty()) {
    list.push_back(using_xy + ":7 with points pt 7 ps " + number_text(0.45 * s.size) +
                   " lc palette" + title);
    return list;
  }
  if (s.style != Series::Style::kBars && is_single_point(panel, s)) {  // no line to see
    list.push_back(using_xy + " with points pt 7 ps " + number_text(0.5 * s.size) + " " + color +
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
      list.push_back(using_xy + " with lines dt (8,5) lw " + number_text(1.4 * s.size) + " " +
                     color + title);
      break;
    case Series::Style::kPoints:
      list.push_back(using_xy + " with points pt 7 ps " + number_text(0.4 * s.size) + " " + color +
                     title);
      break;
    case Series::Style::kBars:
      list.push_back(using_xy + " with boxes fs solid 0.6 noborder " + color + title);
      break;
  }
  return list;
}

struct Cell {
  double x, y, width, height;  // from the top left, in points
};

std::vector<int> rows_of(const Figure& figure) {
  return figure.columns.empty() ? std::vector<int>{static_cast<int>(figure.panels.size())}
                                : figure.columns;
}

std::vector<Cell> cells_of(const Figure& figure) {
  const auto rows = rows_of(figure);
  const double width = figure.panel_width * *std::max_element(rows.begin(), rows.end());
  std::vector<Cell> cells;
  double y = figure.title.empty() ? 0 : kFigureTitle;
  for (const int count : rows) {
    for (int c = 0; c < count; ++c)
      cells.push_back({c * width / count, y, width / count, figure.panel_height});
    y += figure.panel_height;
  }
  UNLAZY_CHECK(cells.size() >= figure.panels.size(), "figure ", figure.name, ": has ",
               figure.panels.size(), " panels but room for ", cells.size());
  return cells;
}

bool has_any_points(const Panel& panel) {
  return std::any_of(panel.series.begin(), panel.series.end(),
                     [&](const Series& s) { return has_points(panel, s); });
}

// Names what has no points, in the axes.
void write_missing(std::ostringstream& out, const Panel& panel) {
  std::string names;
  for (const auto& s : panel.series) {
    if (!s.label.empty() && !has_points(panel, s)) names += (names.empty() ? ": " : ", ") + s.label;
  }
  const bool has_any = has_any_points(panel);
  if (has_any && names.empty()) return;
  out << "  set label 6 " << gnuplot_quoted("no points" + names) << " at graph "
      << (has_any ? "0.98, graph 0.95 right" : "0.5, graph 0.5 center")
      << " font ',10' textcolor rgb '#777777'\n";
}

void write_panel(std::ostringstream& out, const Figure& figure, size_t place, const Cell& cell,
                 const Screen& screen, double legend, size_t first_index) {
  const Panel& panel = figure.panels[place];
  const int power = x_power(panel);
  const bool has_bar = !panel.shade_label.empty(), is_map = has_map(panel);
  const double left = cell.x + kLeft;
  const double right = cell.x + cell.width - kRight - (is_map ? kMapBar : has_bar ? kBar : 0);
  const double top = cell.y + kTop + legend, bottom = cell.y + cell.height - kBottom;
  const double width = screen.width, height = screen.height;
  out << "\n  # panel " << place + 1 << "\n";
  out << "  set lmargin at screen " << number_text(left / width) << "\n  set rmargin at screen "
      << number_text(right / width) << "\n  set tmargin at screen " << number_text(1 - top / height)
      << "\n  set bmargin at screen " << number_text(1 - bottom / height)
      << "\n  unset label\n  unset arrow\n";
  if (place == 0 && !figure.title.empty()) {
    out << "  set label 1 " << gnuplot_quoted(figure.title) << " at " << screen.at(width / 2, 15)
        << " center font ',12'\n";
  }
  const std::string letter =
      figure.panels.size() > 1
          ? std::string("({/:Bold ") + static_cast<char>('a' + place % 26) + "}) "
          : "";
  std::string x_label = panel.x_label;
  if (power > 0) x_label += " (10^{" + std::to_string(power) + "})";
  out << "  set label 2 " << gnuplot_quoted(letter + panel.title) << " at "
      << screen.at(cell.x + 10, cell.y + 13) << " left font ',12'\n"
      << "  set label 3 " << gnuplot_quoted(x_label) << " at "
      << screen.at((left + right) / 2, bottom + 38)
      << " center\n"
      // gnuplot places it beside the widest number of the axis.
      << "  set ylabel " << gnuplot_quoted(panel.y_label) << " offset 0.1,0\n";
  write_axes(out, panel, power, right - left);
  write_legend(out, panel, screen, left, cell.y + kTop + 5, cell.width - kLeft);
  write_missing(out, panel);
  // What is filled has its own style; the colour bar takes this one.
  out << "  set style fill solid 1 noborder\n";
  if (has_bar || is_map) {
    out << "  set colorbox vertical user origin screen " << number_text((right + 10) / width)
        << ", screen " << number_text(1 - bottom / height) << " size screen "
        << number_text(8 / width) << ", screen " << number_text((bottom - top) / height)
        << " noborder\n";
  } else {
    out << "  unset colorbox\n";
  }
  if (is_map) {
    out << map_scale(panel, *std::find_if(panel.series.begin(), panel.series.end(),
                                          [](const Series& s) { return !s.z.empty(); }))
        << "  set cblabel ''\n  set label 5 " << gnuplot_quoted(panel.z_label) << " at "
        << screen.at(right + kMapBar - 2, (top + bottom) / 2) << " center rotate by 90\n";
  } else {
    out << "  set palette defined (0 '#c6dbef', 0.35 '#6baed6', 0.7 '#2171b5', 1 '#08306b')\n"
           "  set cbrange [0:1]\n"
           "  set cbtics ('start' 0, 'end' 1) scale 0 offset -0.8,0 font ',9'\n"
           "  set cblabel "
        << gnuplot_quoted(panel.shade_label) << " offset -2.2,0 font ',9'\n";
  }
  out << "  plot ";
  bool is_first = true;
  if (!has_any_points(panel)) out << "NaN notitle", is_first = false;
  size_t index = first_index, color = 0;
  for (const auto& s : panel.series) {
    for (const auto& element : elements(panel, s, color, index, power)) {
      out << (is_first ? "" : ", \\\n       ") << element;
      is_first = false;
    }
    if (s.color < 0) ++color;
    ++index;
  }
  out << "\n";
}

// Once for both pictures.
void write_bands(std::ostringstream& out, const Figure& figure) {
  size_t index = 0;
  for (const auto& panel : figure.panels) {
    for (const auto& s : panel.series) out << band_commands(panel, s, index++);
  }
}

void write_contours(std::ostringstream& out, const Figure& figure) {
  if (std::none_of(figure.panels.begin(), figure.panels.end(), has_map)) return;
  out << "set contour base\nunset surface\nset cntrparam linear\n";
  size_t index = 0;
  for (const auto& panel : figure.panels) {
    for (const auto& s : panel.series) {
      if (!s.z.empty()) out << contour_commands(panel, s, index);
      ++index;
    }
  }
  out << "unset contour\nset surface\n";
}

std::string script_of(const Figure& figure) {
  const auto rows = rows_of(figure);
  const auto cells = cells_of(figure);
  const double width = figure.panel_width * *std::max_element(rows.begin(), rows.end());
  const double height = figure.panel_height * static_cast<double>(rows.size()) +
                        (figure.title.empty() ? 0 : kFigureTitle);
  std::ostringstream out;
  // `ending`: of the pictures' names while they are drawn by the program.
  out << "# Draws the .svg and the .png of this name from the .csv: gnuplot FILE.gp\nset encoding "
         "utf8\nset datafile separator ','\nset datafile missing 'nan'\nif (!exists('ending')) "
         "ending = ''\ndata = "
      << gnuplot_quoted(figure.name + ".csv")
      << "\nset border 3 lw 0.8 lc rgb '#555555'\nset tics nomirror out scale 0.5 font ',10' "
         "textcolor rgb '#333333'\n"
         "set mxtics default\nset grid back lt 1 lw 0.6 lc rgb '#e8e8e8'\nset boxwidth 0.9 "
         "relative\nunset key\n";
  write_bands(out, figure);
  write_contours(out, figure);
  out << "do for [format in 'svg png'] {\n  if (format eq 'svg') {\n    set terminal svg size "
      << width << "," << height
      << " enhanced font 'DejaVu Sans,11' background rgb 'white'\n  } else {\n    set terminal "
         "pngcairo size "
      << kPngScale * width << "," << kPngScale * height
      << " enhanced font 'DejaVu Sans,11' fontscale " << kPngScale << " linewidth " << kPngScale
      << " pointscale " << kPngScale << "\n  }\n  set output " << gnuplot_quoted(figure.name + ".")
      << ".format.ending\n  set multiplot\n";
  size_t index = 0;
  for (size_t i = 0; i < figure.panels.size(); ++i) {
    // Panels of a row have axes of the same height: that with the highest legend decides.
    double legend = 0;
    for (size_t k = 0; k < figure.panels.size(); ++k) {
      if (cells[k].y == cells[i].y)
        legend = std::max(legend, legend_height(figure.panels[k], cells[k].width - kLeft));
    }
    write_panel(out, figure, i, cells[i], {width, height}, legend, index);
    index += figure.panels[i].series.size();
  }
  out << "\n  unset multiplot\n  unset output\n}\n";
  return out.str();
}

}  // namespace

void write_figure(const std::string& folder, const Figure& figure) {
  UNLAZY_CHECK(!figure.panels.empty(), "figure ", figure.name, ": has no panels");
  // gnuplot reads '<COMMAND' and '|COMMAND' as a pipe, '-', '+' and '$' as other data.
  UNLAZY_CHECK(!figure.name.empty() && file_text(figure.name) == figure.name &&
                   std::string("<|-+$~@.").find(figure.name[0]) == std::string::npos,
               "figure: ", gnuplot_quoted(figure.name), " is no plain name of a file");
  fs::create_directories(folder);
  write_file(folder + "/" + figure.name + ".csv", csv_of(figure));
  write_file(folder + "/" + figure.name + ".gp", script_of(figure));
}

std::vector<std::string> empty_panels(const Figure& figure) {
  std::vector<std::string> titles;
  for (const auto& panel : figure.panels) {
    if (!has_any_points(panel)) titles.push_back(panel.title);
  }
  return titles;
}

std::vector<std::string> figure_files(const std::string& name) {
  return {name + ".csv", name + ".gp", name + ".svg", name + ".png"};
}

}  // namespace unlazy::report
