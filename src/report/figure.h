// Figures, drawn by gnuplot in one style. A figure has panels; a panel has series of points.
// A figure NAME consists of five files in one folder: NAME.csv (the numbers), NAME.gp (the script;
// `gnuplot NAME.gp` in that folder draws it again), NAME.svg, NAME.pdf (for LaTeX) and NAME.png.
// Titles and labels are gnuplot's enhanced text: {/:Italic t}, w_i, 10^{-3}. Text that is not ours,
// such as the name of a run, passes through plain_text() (report/text.h).
#pragma once

#include <string>
#include <vector>

#include "core/options.h"

namespace unlazy::report {

/// One curve, cloud of points or map. Points with a coordinate that is not finite (or not positive
/// on a logarithmic axis) leave a gap. A series without any is named in its panel.
struct Series {
  enum class Style {
    kLine,
    kLinePoints,  // for a few values, each of which is marked
    kDashed,      // for theory and reference
    kPoints,
    kBars,  // boxes from 0
  };
  std::string label;  // empty: not in the legend
  std::vector<double> x, y;
  std::vector<double>
      low = {},
      high = {};  // a band around the line, such as a standard deviation over seeds; empty for none
  Style style = Style::kLine;
  int color = -1;  // place in the palette; -1: the series' own place in its panel; kGray for what
                   // is not data
  std::vector<double> shade =
      {};           // [0, 1] a point, light to dark (early to late); then drawn as points
  double size = 1;  // of points and lines
  std::vector<double> z =
      {};  // height above (x, y): drawn as a map in colours with contour lines; the points are a
           // grid, y ascending and in each row of equal y the same x ascending
  std::string rgb = {};  // "#rrggbb", such as noise_color() (report/colors.h); empty: by `color`
  int dash = 0;          // of a line, as in Look (report/colors.h); 0: solid
};
inline constexpr int kGray = 100;

/// A stretch of the x axis with a shaded ground, such as the time when noise is on, or named at its
/// top, such as a phase.
struct Span {
  double from = 0, to = 0;
  std::string label = {};
  bool is_shaded = true;
};

struct Panel {
  std::string
      title;  // "Loss": the letter (a), (b), .. is put before it when the figure has several panels
  std::string x_label, y_label;
  bool log_x = false, log_y = false;  // log_x: a range within three decades gets plain numbers
  double x_low = kAuto, x_high = kAuto, y_low = kAuto, y_high = kAuto;
  enum class Legend {
    kNone,
    kAbove,   // above the axes, where it covers no data
    kFigure,  // above all panels, over the whole width: for what several panels have in common. The
              // first panel of this kind says what stands there.
  };
  Legend legend = Legend::kAbove;
  std::vector<Series> series;
  std::string shade_label = {};  // of the colour bar of shaded points; empty: no bar
  std::string z_label = {};      // of the colour bar of a map, whose ticks are the contour lines
  bool log_z = false;            // contour lines at 1, 2, 5, 10, .. and colours by the logarithm
  std::vector<Span> spans = {};
  std::string spans_label = {};  // of the shaded spans in the legend; empty: not there

  static constexpr double kAuto = -1.7976931348623157e308;
};

/// Panels in rows. Row i of the figure has `columns[i]` panels of equal width; the panels fill the
/// rows in order.
struct Figure {
  std::string name;   // of the files
  std::string title;  // parts between "; " and ", " move to a next line where it is too long
  std::vector<Panel> panels;
  std::vector<int> columns = {};  // empty: one row
  double panel_width = 400,
         panel_height = 300;  // of a panel in a row of the most columns, in points
};

/// --width, --no-title: for whom a figure is drawn. The options of every command that draws.
struct DrawOptions {
  std::string width = "screen";
  bool no_title = false;
};
/// `width`: the name of the flag, where --width means something else.
OptionTable describe(DrawOptions& options, const std::string& width = "width");
/// The flags that give the same options to a command with `all` these options; none for one that
/// does not draw.
std::vector<std::string> flags_of(const DrawOptions& options, const Options& all);

/// Writes NAME.csv and NAME.gp into `folder`, which is made if it does not exist. Throws Error for
/// a name that is not a plain file name: one line of letters of any kind, digits and marks, which
/// does not begin with something that gnuplot reads in another way.
void write_figure(const std::string& folder, const Figure& figure, const DrawOptions& options = {});

/// Draws figures that were written: NAME.svg, NAME.pdf and NAME.png of each, which appear whole or
/// not at all. Throws Error with gnuplot's own message, or saying that a picture is incomplete (a
/// full disk) or which package to install for gnuplot. Data and scripts stay.
void draw_figures(const std::string& folder, const std::vector<std::string>& names);

/// The titles of the panels without any point to draw.
std::vector<std::string> empty_panels(const Figure& figure);

/// The files of a figure NAME.
std::vector<std::string> figure_files(const std::string& name);

/// Is gnuplot found in PATH?
bool has_gnuplot();

}  // namespace unlazy::report
