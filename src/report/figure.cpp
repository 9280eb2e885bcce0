// The style of every picture: light grid, two thin borders, the palette of Okabe and Ito (told apart by the colour-blind), title and
// legend above the axes where they cover no data, long step axes in powers of ten.
#include "report/figure.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <thread>

#include "core/error.h"
#include "core/files.h"
#include "core/format.h"

namespace unlazy::report {
namespace {

namespace fs = std::filesystem;

constexpr std::array kPalette = {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#332288", "#882255"};
constexpr double kPngScale = 2;  // pixels a point

// Room around the axes, in points.
constexpr double kLeft = 62, kRight = 16, kBottom = 46, kTop = 44, kBar = 34, kFigureTitle = 26;

std::string color_text(const Series& series, size_t place) {
  if (series.color == kGray) return "#777777";
  return kPalette[(series.color >= 0 ? static_cast<size_t>(series.color) : place) % kPalette.size()];
}

// --- NAME.csv: a block a series, two empty lines between blocks (gnuplot's `index`) ---

std::string csv_text(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

void check_series(const Figure& figure, const Series& s) {
  const auto fits = [&](const std::vector<double>& list) { return list.empty() || list.size() == s.x.size(); };
  UNLAZY_CHECK(s.x.size() == s.y.size() && fits(s.low) && fits(s.high) && fits(s.shade) && s.low.empty() == s.high.empty(),
               "figure ", figure.name, ": series '", s.label, "' has lists of different lengths");
}

std::string csv_of(const Figure& figure) {
  std::ostringstream out;
  out << "panel,series,x,y,low,high,shade\n";
  for (const auto& panel : figure.panels) {
    for (const auto& s : panel.series) {
      check_series(figure, s);
      const std::string head = csv_text(panel.title) + "," + csv_text(s.label) + ",";
      for (size_t i = 0; i < s.x.size(); ++i) {
        out << head << number_text(s.x[i]) << "," << number_text(s.y[i]) << ",";
        if (!s.low.empty()) out << number_text(s.low[i]) << "," << number_text(s.high[i]);
        else out << ",";
        out << ",";
        if (!s.shade.empty()) out << number_text(s.shade[i]);
        out << "\n";
      }
      if (s.x.empty()) out << head << "nan,nan,,,\n";
      out << "\n\n";
    }
  }
  return out.str();
}

// --- NAME.gp ---

// For single quotes of gnuplot.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? "''" : std::string(1, c);
  return out + "'";
}

// The power of ten that is taken out of a long linear x axis, so that its numbers stay short.
int x_power(const Panel& panel) {
  if (panel.log_x) return 0;
  double largest = panel.x_high != Panel::kAuto ? panel.x_high : 0;
  for (const auto& s : panel.series) {
    for (const double x : s.x) {
      if (std::isfinite(x)) largest = std::max(largest, std::fabs(x));
    }
  }
  return largest >= 1e4 ? static_cast<int>(std::floor(std::log10(largest))) : 0;
}

std::string bound_text(double value, double scale) {
  return value == Panel::kAuto ? "*" : number_text(value / scale);
}

void write_axes(std::ostringstream& out, const Panel& panel, int power) {
  const double scale = std::pow(10.0, power);
  std::string x_label = panel.x_label;
  if (power > 0) x_label += " (10^{" + std::to_string(power) + "})";
  out << "  unset logscale\n  set xtics autofreq\n  set ytics autofreq\n";
  if (panel.log_x) out << "  set logscale x\n";
  if (panel.log_y) out << "  set logscale y\n";
  out << "  set format x " << (panel.log_x ? "'10^{%L}'" : "'%g'") << "\n  set format y "
      << (panel.log_y ? "'10^{%L}'" : "'%g'") << "\n";
  out << "  set xrange [" << bound_text(panel.x_low, scale) << ":" << bound_text(panel.x_high, scale) << "]\n";
  out << "  set yrange [" << bound_text(panel.y_low, 1) << ":" << bound_text(panel.y_high, 1) << "]\n";
  out << "  set xlabel " << quoted(x_label) << " offset 0,0.4\n  set ylabel " << quoted(panel.y_label) << " offset 1.2,0\n";
}

void write_legend(std::ostringstream& out, Panel::Legend legend) {
  const char* place = "";
  switch (legend) {
    case Panel::Legend::kNone: out << "  unset key\n"; return;
    case Panel::Legend::kAbove: place = "at graph 0, graph 1.02 left bottom horizontal maxrows 1"; break;
    case Panel::Legend::kTopRight: place = "inside top right vertical"; break;
    case Panel::Legend::kTopLeft: place = "inside top left vertical"; break;
    case Panel::Legend::kBottomRight: place = "inside bottom right vertical"; break;
    case Panel::Legend::kBottomLeft: place = "inside bottom left vertical"; break;
  }
  out << "  set key " << place << " Left reverse samplen 1.5 spacing 1.15 width -1 font ',10' textcolor rgb '#333333'\n";
}

// The plot elements of a series: its band, then the line or points.
std::vector<std::string> elements(const Series& s, size_t place, size_t index, int power) {
  const std::string data = "data index " + std::to_string(index) + " skip 1 ";
  const std::string x = "($3/1e" + std::to_string(power) + ")";
  const std::string color = "lc rgb '" + color_text(s, place) + "'";
  const std::string title = s.label.empty() ? " notitle" : " title " + quoted(s.label);
  std::vector<std::string> list;
  if (!s.low.empty()) {
    list.push_back(data + "using " + x + ":5:6 with filledcurves fs transparent solid 0.2 noborder " + color + " notitle");
  }
  const std::string using_xy = data + "using " + x + ":4";
  if (!s.shade.empty()) {
    list.push_back(using_xy + ":7 with points pt 7 ps " + number_text(0.45 * s.size) + " lc palette" + title);
    return list;
  }
  switch (s.style) {
    case Series::Style::kLine: list.push_back(using_xy + " with lines lw " + number_text(1.8 * s.size) + " " + color + title); break;
    case Series::Style::kDashed:
      list.push_back(using_xy + " with lines dt (6,4) lw " + number_text(1.4 * s.size) + " " + color + title);
      break;
    case Series::Style::kPoints: list.push_back(using_xy + " with points pt 7 ps " + number_text(0.4 * s.size) + " " + color + title); break;
    case Series::Style::kBars: list.push_back(using_xy + " with boxes fs solid 0.6 noborder " + color + title); break;
  }
  return list;
}

struct Cell {
  double x, y, width, height;  // from the top left, in points
};

std::vector<int> rows_of(const Figure& figure) {
  return figure.columns.empty() ? std::vector<int>{static_cast<int>(figure.panels.size())} : figure.columns;
}

std::vector<Cell> cells_of(const Figure& figure) {
  const auto rows = rows_of(figure);
  const double width = figure.panel_width * *std::max_element(rows.begin(), rows.end());
  std::vector<Cell> cells;
  double y = figure.title.empty() ? 0 : kFigureTitle;
  for (const int count : rows) {
    for (int c = 0; c < count; ++c) cells.push_back({c * width / count, y, width / count, figure.panel_height});
    y += figure.panel_height;
  }
  UNLAZY_CHECK(cells.size() >= figure.panels.size(), "figure ", figure.name, ": has ", figure.panels.size(),
               " panels but room for ", cells.size());
  return cells;
}

void write_panel(std::ostringstream& out, const Figure& figure, size_t place, const Cell& cell, double width, double height,
                 size_t first_index) {
  const Panel& panel = figure.panels[place];
  const int power = x_power(panel);
  const bool has_bar = !panel.shade_label.empty();
  const double left = cell.x + kLeft, right = cell.x + cell.width - kRight - (has_bar ? kBar : 0);
  const double top = cell.y + kTop, bottom = cell.y + cell.height - kBottom;
  out << "\n  # " << panel.title << "\n";
  out << "  set lmargin at screen " << number_text(left / width) << "\n  set rmargin at screen " << number_text(right / width)
      << "\n  set tmargin at screen " << number_text(1 - top / height) << "\n  set bmargin at screen "
      << number_text(1 - bottom / height) << "\n";
  const std::string letter = figure.panels.size() > 1 ? std::string("({/:Bold ") + static_cast<char>('a' + place % 26) + "}) " : "";
  out << "  unset label\n  set label 1 " << quoted(letter + panel.title) << " at screen " << number_text((cell.x + 8) / width)
      << ", screen " << number_text(1 - (cell.y + 13) / height) << " left font ',12'\n";
  write_axes(out, panel, power);
  write_legend(out, panel.legend);
  out << "  set style fill solid 0.6 noborder\n";
  if (has_bar) {
    out << "  set colorbox vertical user origin screen " << number_text((right + 10) / width) << ", screen "
        << number_text(1 - bottom / height) << " size screen " << number_text(8 / width) << ", screen "
        << number_text((bottom - top) / height) << " noborder\n  set cbtics ('start' 0, 'end' 1) scale 0 offset -0.8,0 font ',9'\n";
    out << "  set cblabel " << quoted(panel.shade_label) << " offset -2.2,0 font ',9'\n";
  } else {
    out << "  unset colorbox\n";
  }
  out << "  plot ";
  bool is_first = true;
  size_t index = first_index, color = 0;
  for (const auto& s : panel.series) {
    for (const auto& element : elements(s, color, index, power)) {
      out << (is_first ? "" : ", \\\n       ") << element;
      is_first = false;
    }
    if (s.color < 0) ++color;
    ++index;
  }
  out << "\n";
}

std::string script_of(const Figure& figure) {
  const auto rows = rows_of(figure);
  const auto cells = cells_of(figure);
  const double width = figure.panel_width * *std::max_element(rows.begin(), rows.end());
  const double height = figure.panel_height * static_cast<double>(rows.size()) + (figure.title.empty() ? 0 : kFigureTitle);
  std::ostringstream out;
  out << "# Draws " << figure.name << ".svg and " << figure.name << ".png from " << figure.name << ".csv: gnuplot " << figure.name
      << ".gp\nset encoding utf8\nset datafile separator ','\nset datafile missing 'nan'\ndata = " << quoted(figure.name + ".csv")
      << "\nset border 3 lw 0.8 lc rgb '#555555'\nset tics nomirror out scale 0.5 font ',10' textcolor rgb '#333333'\n"
         "set mxtics default\nset grid back lt 1 lw 0.6 lc rgb '#e8e8e8'\nset boxwidth 0.9 relative\n"
         "set palette defined (0 '#c6dbef', 0.35 '#6baed6', 0.7 '#2171b5', 1 '#08306b')\nset cbrange [0:1]\n";
  out << "do for [format in 'svg png'] {\n  if (format eq 'svg') {\n    set terminal svg size " << width << "," << height
      << " enhanced font 'DejaVu Sans,11' background rgb 'white'\n  } else {\n    set terminal pngcairo size "
      << kPngScale * width << "," << kPngScale * height << " enhanced font 'DejaVu Sans,11' fontscale " << kPngScale
      << " linewidth " << kPngScale << " pointscale " << kPngScale
      << "\n  }\n  set output " << quoted(figure.name + ".") << ".format\n  set multiplot\n";
  if (!figure.title.empty()) {
    out << "  set label 2 " << quoted(figure.title) << " at screen 0.5, screen " << number_text(1 - 14 / height)
        << " center font ',13'\n";
  }
  size_t index = 0;
  for (size_t i = 0; i < figure.panels.size(); ++i) {
    write_panel(out, figure, i, cells[i], width, height, index);
    index += figure.panels[i].series.size();
  }
  out << "\n  unset multiplot\n  unset output\n}\n";
  return out.str();
}

// --- running gnuplot ---

std::string find_in_path(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string candidate = (folder.empty() ? "." : folder) + "/" + program;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return "";
}

// A gnuplot at work: its process and where its messages come from.
struct Drawing {
  std::string name;
  pid_t process = -1;
  int messages = -1;
};

Drawing start_drawing(const std::string& gnuplot, const std::string& folder, const std::string& name) {
  int ends[2];
  UNLAZY_CHECK(::pipe2(ends, O_CLOEXEC) == 0, "figure: cannot make a pipe for gnuplot");
  const std::string script = name + ".gp";
  const pid_t process = ::fork();
  if (process == 0) {  // only async-signal-safe calls from here to exec
    if (::chdir(folder.c_str()) != 0) ::_exit(126);
    ::dup2(ends[1], STDOUT_FILENO);
    ::dup2(ends[1], STDERR_FILENO);
    ::execl(gnuplot.c_str(), "gnuplot", script.c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }
  ::close(ends[1]);
  UNLAZY_CHECK(process > 0, "figure: cannot start gnuplot");
  return {name, process, ends[0]};
}

// Waits for the end; the messages when it failed, else nothing.
std::string finish_drawing(const Drawing& drawing) {
  std::string text;
  char bytes[4096];
  for (ssize_t count; (count = ::read(drawing.messages, bytes, sizeof bytes)) > 0;) text.append(bytes, static_cast<size_t>(count));
  ::close(drawing.messages);
  int status = 0;
  ::waitpid(drawing.process, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return "";
  return drawing.name + ".gp: " + (text.empty() ? "gnuplot failed without a message" : text);
}

}  // namespace

bool has_gnuplot() { return !find_in_path("gnuplot").empty(); }

void write_figure(const std::string& folder, const Figure& figure) {
  UNLAZY_CHECK(!figure.panels.empty(), "figure ", figure.name, ": has no panels");
  fs::create_directories(folder);
  write_file(folder + "/" + figure.name + ".csv", csv_of(figure));
  write_file(folder + "/" + figure.name + ".gp", script_of(figure));
}

void draw_figures(const std::string& folder, const std::vector<std::string>& names) {
  const std::string gnuplot = find_in_path("gnuplot");
  UNLAZY_CHECK(!gnuplot.empty(), "figure: gnuplot is not installed; the data and scripts are in ", folder,
               ": install gnuplot (Debian: apt install gnuplot-nox) and run it on the .gp files there");
  const size_t at_once = std::max(1u, std::thread::hardware_concurrency());
  std::vector<Drawing> running;
  std::string failures;
  const auto finish_first = [&] {
    const std::string failure = finish_drawing(running.front());
    if (!failure.empty()) {
      for (const char* end : {".svg", ".png"}) fs::remove(folder + "/" + running.front().name + end);
      failures += failure;
    }
    running.erase(running.begin());
  };
  for (const auto& name : names) {
    if (running.size() >= at_once) finish_first();
    running.push_back(start_drawing(gnuplot, folder, name));
  }
  while (!running.empty()) finish_first();
  UNLAZY_CHECK(failures.empty(), "figure: gnuplot could not draw ", folder, "/", failures);
}

}  // namespace unlazy::report
