// Ranges and ticks of a panel's axes, where gnuplot's own choice wastes room or crowds.
#pragma once

#include <string>
#include <utility>

#include "report/figure.h"

namespace unlazy::report {

/// The power of ten that is taken out of a long linear x axis, so that its numbers stay short.
int x_power(const Panel& panel);

/// gnuplot's text of a bound: value / scale, or "*" where it is Panel::kAuto.
std::string bound_text(double value, double scale);

/// Has the series a point that can be drawn?
bool has_points(const Panel& panel, const Series& series);

/// The panel's own bounds, apart where they would leave no room between them (all points at one x,
/// or none at all).
std::pair<double, double> x_bounds(const Panel& panel);
/// The same. On a logarithmic axis gnuplot would extend to whole decades: a little room around the
/// data instead.
std::pair<double, double> y_bounds(const Panel& panel);

/// The distance of the ticks of a linear x axis of `width` points with both bounds given, so that
/// their numbers do not touch; 0 where gnuplot's own choice has room.
double x_tick_step(double low, double high, double width);

/// The data's own range on a logarithmic x axis of at most three decades, which has plain numbers
/// and ends where the data end; {0, 0} for a longer one.
std::pair<double, double> short_decades(const Panel& panel);

/// 1, 2, 5, 10, ... from `low` to `high`: whole decades where there is little room, more where
/// there is much.
std::string decade_ticks(double low, double high);

}  // namespace unlazy::report
