// Drawing figures that were written. What every command that draws has in common: the options of
// report/figure.h (--width, --no-title), and gnuplot, which may be missing. Then data and scripts
// are there, one line says what to install, and the command ends as if it had drawn: its results
// are complete.
#pragma once

#include <string>
#include <vector>

namespace unlazy::tools {

/// Draws the figures `names` in `folder`: NAME.svg, NAME.pdf and NAME.png of each. Without gnuplot, says on
/// the terminal how to draw them later. Returns whether they were drawn.
bool draw(const std::string& folder, const std::vector<std::string>& names);

/// Draws the figure NAME of `out`/figures and prints the last line of a command: "done: " and the
/// figure, or `out` when it was not drawn.
void draw_and_finish(const std::string& out, const std::string& name);

}  // namespace unlazy::tools
