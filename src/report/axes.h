// Ranges and ticks of a panel's axes, where gnuplot's own choice is too wide or too dense.
#pragma once

#include <string>
#include <utility>

#include "report/figure.h"

namespace unlazy::report {

/// The power of ten to factor out of a long linear x axis, so that its numbers stay short.
int x_power(const Panel& panel);

/// A bound as gnuplot's text: value / scale, or "*" where it is Panel::kAuto.
std::string bound_text(double value, double scale);

/// Does a series of the panel have heights?
bool has_map(const Panel& panel);

/// Does the series have a point that can be drawn? Any series of the panel?
bool has_points(const Panel& panel, const Series& series);

bool has_any_points(const Panel& panel);

/// The panel's own bounds, moved apart if they leave no room between them (all points at one x, or
/// no points).
std::pair<double, double> x_bounds(const Panel& panel);
/// The same for y. On a logarithmic axis, where gnuplot would extend to whole decades: a little
/// room around the data instead.
std::pair<double, double> y_bounds(const Panel& panel);

/// Sets the y axis to what the lines and their bands show after the first tenth of the x axis, for
/// losses, whose start or a spike there would flatten the rest. Where they differ by more than a
/// factor of 3 the axis becomes logarithmic. Lines leave the axes at its top where they are above.
/// Nothing happens to lines that do not get that far; they do not leave the axes where that would
/// make the rest less than 2.5 times as high.
void show_later_part(Panel& panel);

/// The distance of the ticks of a linear x axis of `width` points with both bounds given, so that
/// their numbers do not touch; 0 if gnuplot's own choice has room.
double x_tick_step(double low, double high, double width);

/// For a logarithmic x axis of at most three decades, which has plain numbers and ends where the
/// data end: the range of the data. {0, 0} for a longer one.
std::pair<double, double> short_decades(const Panel& panel);

/// 1, 2, 5, 10, ... from `low` to `high`; only whole decades where there is little room, more ticks
/// where there is much.
std::string decade_ticks(double low, double high);

}  // namespace unlazy::report
