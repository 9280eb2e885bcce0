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

/// On a logarithmic axis, where gnuplot would extend to whole decades: a little room around the
/// data. Otherwise the panel's own bounds.
std::pair<double, double> y_bounds(const Panel& panel);

/// For a logarithmic x axis of at most three decades, which has plain numbers and ends where the
/// data end: the range of the data. {0, 0} for a longer one.
std::pair<double, double> short_decades(const Panel& panel);

/// 1, 2, 5, 10, ... from `low` to `high`; only whole decades where there is little room, more ticks
/// where there is much.
std::string decade_ticks(double low, double high);

}  // namespace unlazy::report
