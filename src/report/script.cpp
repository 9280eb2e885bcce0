// The gnuplot script of a figure.
#include "report/script.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <vector>

#include "core/format.h"
#include "report/axes.h"
#include "report/clip.h"
#include "report/layout.h"
#include "report/legend.h"
#include "report/map.h"
#include "report/plot_elements.h"
#include "report/text.h"

namespace unlazy::report {
namespace {

void write_axes(std::ostringstream& out, const Panel& panel, int power, double width) {
  const double scale = std::pow(10.0, power);
  out << "  unset logscale\n  set xtics autofreq\n  set ytics autofreq\n";
  if (panel.log_x) out << "  set logscale x\n";
  if (panel.log_y) out << "  set logscale y\n";
  out << "  set format x " << (panel.log_x ? "'10^{%L}'" : "'%h'") << "\n  set format y "
      << (panel.log_y ? "'10^{%L}'" : "'%h'") << "\n";
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
  // Powers of ten alone would be one or two numbers.
  constexpr double kShort = 100;
  if (panel.log_y && low > 0 && high > low && high / low <= kShort)
    out << "  set format y '%g'\n  set ytics (" << decade_ticks(low, high) << ")\n";
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

// The title and the common legend, which belong to no panel.
void write_head(std::ostringstream& out, const Figure& figure, const Layout& layout) {
  constexpr double kLine = 22;
  for (size_t i = 0; i < layout.title.size(); ++i) {
    out << "  set label " << 1000 + i << " " << gnuplot_quoted(layout.title[i]) << " at "
        << layout.at(layout.width / 2, 15 + kLine * static_cast<double>(i))
        << " center font ',12'\n";
  }
  if (const auto* panel = common_legend(figure))
    write_legend(out, *panel, layout, kLeft, layout.legend_top, layout.width - kLeft, 1100);
}

// `width`: of the axes. A name that is wider than its span begins at the span's left end.
void write_spans(std::ostringstream& out, const Panel& panel, int power, double width) {
  const auto [low, high] = x_bounds(panel);
  const double scale = std::pow(10.0, power);
  const auto place = [&, low = low](double x) { return panel.log_x ? std::log(x / low) : x - low; };
  int tag = 2000;
  for (const auto& span : panel.spans) {
    const double from = std::max(span.from, low), to = std::min(span.to, high);
    if (!(from < to)) continue;
    if (span.is_shaded) {
      out << "  set object " << tag << " rectangle from first " << number_text(from / scale)
          << ", graph 0 to first " << number_text(to / scale)
          << ", graph 1 behind fc rgb '#f0f0f0' fs solid noborder\n";
    }
    if (!span.label.empty()) {
      const double middle = panel.log_x ? std::sqrt(from * to) : (from + to) / 2;
      const bool has_room =
          (place(to) - place(from)) / place(high) * width > text_width(span.label);
      out << "  set label " << tag << " " << gnuplot_quoted(span.label) << " at first "
          << number_text((has_room ? middle : from) / scale) << ", graph 0.96 "
          << (has_room ? "center" : "left offset 0.4,0") << " font ',9' textcolor rgb '#555555'\n";
    }
    ++tag;
  }
}

void write_contour_labels(std::ostringstream& out, const Panel& panel) {
  int tag = 3000;
  for (const auto& s : panel.series) {
    if (s.z.empty()) continue;
    for (const auto& label : contour_labels(s, panel.log_z)) {
      out << "  set label " << tag++ << " '" << label.text << "' at first " << number_text(label.x)
          << ", first " << number_text(label.y)
          << " center front boxed font ',8' textcolor rgb '#222222'\n";
    }
  }
}

void write_panel(std::ostringstream& out, const Figure& figure, size_t place, const Layout& layout,
                 double legend, size_t first_index) {
  const Panel& panel = figure.panels[place];
  const Cell& cell = layout.cells[place];
  const int power = x_power(panel);
  const bool has_bar = !panel.shade_label.empty(), is_map = has_map(panel);
  const double left = cell.x + kLeft;
  const double right = cell.x + cell.width - kRight - (is_map ? kMapBar : has_bar ? kBar : 0);
  const double top = cell.y + kTop + legend, bottom = cell.y + cell.height - kBottom;
  const double width = layout.width, height = layout.height;
  out << "\n  # panel " << place + 1 << "\n";
  out << "  set lmargin at screen " << number_text(left / width) << "\n  set rmargin at screen "
      << number_text(right / width) << "\n  set tmargin at screen " << number_text(1 - top / height)
      << "\n  set bmargin at screen " << number_text(1 - bottom / height)
      << "\n  unset label\n  unset arrow\n  unset object\n";
  if (place == 0) write_head(out, figure, layout);
  const std::string letter =
      figure.panels.size() > 1
          ? std::string("({/:Bold ") + static_cast<char>('a' + place % 26) + "}) "
          : "";
  std::string x_label = panel.x_label;
  if (power > 0) x_label += " (10^{" + std::to_string(power) + "})";
  // The title of the only panel is that of the figure.
  const std::string title = layout.has_title || figure.panels.size() > 1 ? panel.title : "";
  out << "  set label 2 " << gnuplot_quoted(letter + title) << " at "
      << layout.at(cell.x + 10, cell.y + 13) << " left font ',12'\n"
      << "  set label 3 " << gnuplot_quoted(x_label) << " at "
      << layout.at((left + right) / 2, bottom + 38)
      << " center\n"
      // gnuplot places it beside the widest number of the axis.
      << "  set ylabel " << gnuplot_quoted(panel.y_label) << " offset 0.1,0\n";
  write_axes(out, panel, power, right - left);
  if (panel.legend == Panel::Legend::kAbove)
    write_legend(out, panel, layout, left, cell.y + kTop + 5, cell.width - kLeft, 10);
  write_spans(out, panel, power, right - left);
  if (is_map) write_contour_labels(out, panel);
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
        << layout.at(right + kMapBar - 2, (top + bottom) / 2) << " center rotate by 90\n";
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
    for (const auto& element : plot_elements(panel, s, color, index, power)) {
      out << (is_first ? "" : ", \\\n       ") << element;
      is_first = false;
    }
    if (s.color < 0 && s.rgb.empty()) ++color;
    ++index;
  }
  out << "\n";
}

// Once for all pictures.
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

// The loop over the pictures begins. A PNG has its size in pixels, a PDF in inches. A font of an SVG
// is smaller than the same font of the others, which kFont evens out.
void write_terminals(std::ostringstream& out, const Layout& layout) {
  constexpr double kFont = 4.0 / 3, kPdfLine = 1.6;
  const auto terminal = [&](const std::string& name, double size, const std::string& unit,
                            double font) {
    out << "  if (format eq '" << name.substr(0, 3) << "') {\n    set terminal " << name << " size "
        << rounded_text(size * layout.width, 5) << unit << ","
        << rounded_text(size * layout.height, 5) << unit
        << " enhanced font 'DejaVu Sans,11' fontscale " << rounded_text(font, 4);
  };
  const auto lines = [&](double scale) {
    out << " linewidth " << rounded_text(scale, 4) << " pointscale " << rounded_text(scale, 4)
        << "\n  }\n";
  };
  out << "set style textbox opaque noborder fillcolor rgb '#ffffff' margins 0.4,0.4\n"
         "do for [format in 'svg pdf png'] {\n";
  terminal("svg", 1, "", kFont);
  out << " background rgb 'white'\n  }\n";
  terminal("pdfcairo", kPrintScale / 72, "in", kPrintScale);
  lines(kPdfLine * kPrintScale);
  terminal("pngcairo", layout.png_scale, "", layout.png_scale);
  lines(layout.png_scale);
}

}  // namespace

std::string script_of(const Figure& figure, const DrawOptions& options) {
  const Layout layout = layout_of(figure, options);
  std::ostringstream out;
  // `ending`: of the pictures' names while they are drawn by the program.
  out << "# Draws the .svg, .pdf and .png of this name from the .csv: gnuplot FILE.gp\nset "
         "encoding "
         "utf8\nset datafile separator ','\nset datafile missing 'nan'\nif (!exists('ending')) "
         "ending = ''\ndata = "
      << gnuplot_quoted(figure.name + ".csv")
      << "\nset border 3 lw 0.8 lc rgb '#555555'\nset tics nomirror out scale 0.5 font ',10' "
         "textcolor rgb '#333333'\n"
         "set mxtics default\nset grid back lt 1 lw 0.6 lc rgb '#e8e8e8'\nset boxwidth 0.9 "
         "relative\nunset key\n";
  write_bands(out, figure);
  write_contours(out, figure);
  write_terminals(out, layout);
  out << "  set output " << gnuplot_quoted(figure.name + ".")
      << ".format.ending\n  set multiplot\n";
  size_t index = 0;
  for (size_t i = 0; i < figure.panels.size(); ++i) {
    const auto& cells = layout.cells;
    // Panels of a row have axes of the same height: that with the highest legend decides.
    double legend = 0;
    for (size_t k = 0; k < figure.panels.size(); ++k) {
      if (cells[k].y == cells[i].y && figure.panels[k].legend == Panel::Legend::kAbove)
        legend = std::max(legend, legend_height(figure.panels[k], cells[k].width - kLeft));
    }
    write_panel(out, figure, i, layout, legend, index);
    index += figure.panels[i].series.size();
  }
  out << "\n  unset multiplot\n  unset output\n}\n";
  return out.str();
}

}  // namespace unlazy::report
