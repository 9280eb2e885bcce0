// Bands within their axes. gnuplot moves a corner of a band that lies outside onto the edge, which
// bends the band's sides; here the sides are cut where they cross the edge.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "report/figure.h"

namespace unlazy::report {

/// A band around a line: y between low and high at each x, straight lines between. A point that is
/// not finite is a gap.
struct BandPoints {
  std::vector<double> x, low, high;
};

/// Smallest and largest value of an axis; infinite where it has no bound.
struct AxisBounds {
  double low, high;
  bool is_log;  // lines are straight in the logarithm
};

/// The part of the band within the bounds, x ascending.
BandPoints clipped(const BandPoints& band, const AxisBounds& x, const AxisBounds& y);

/// The part of the band of series `index` within the axes, for gnuplot: a data block of three
/// columns named band_block(index). Empty for a series whose band does not leave the axes.
std::string band_commands(const Panel& panel, const Series& series, size_t index);
std::string band_block(size_t index);

}  // namespace unlazy::report
