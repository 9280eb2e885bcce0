#include "drawn.h"

#include <iostream>

#include "report/figure.h"

namespace unlazy::tools {

bool draw(const std::string& folder, const std::vector<std::string>& names) {
  if (!report::has_gnuplot()) {
    std::cout
        << "note: gnuplot is not installed, so nothing was drawn; install gnuplot-nox and run "
           "it on the .gp files in "
        << folder << "\n";
    return false;
  }
  report::draw_figures(folder, names);
  return true;
}

void draw_and_finish(const std::string& out, const std::string& name) {
  const std::string folder = out + "/figures";
  const bool is_drawn = draw(folder, {name});
  std::cout << "done: " << (is_drawn ? folder + "/" + name + ".svg" : out) << "\n";
}

}  // namespace unlazy::tools
