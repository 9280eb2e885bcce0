// Drawing figures that were written.
#pragma once

#include <string>
#include <vector>

namespace unlazy::tools {

/// Draws the figures `names` in `folder`: NAME.svg and NAME.png of each. Without gnuplot, says on
/// the terminal how to draw them later. Returns whether they were drawn.
bool draw(const std::string& folder, const std::vector<std::string>& names);

/// Draws the figure NAME of `out`/figures and prints the last line of a command: "done: " and the
/// figure, or `out` when it was not drawn.
void draw_and_finish(const std::string& out, const std::string& name);

}  // namespace unlazy::tools
