#include "drawn.h"

#include <iostream>

#include "core/names.h"
#include "report/figure.h"

namespace unlazy::tools {

namespace {

std::vector<std::string> scripts_of(const std::vector<std::string>& names) {
  std::vector<std::string> scripts;
  for (const auto& name : names) scripts.push_back(name + ".gp");
  return scripts;
}

}  // namespace

bool draw(const std::string& folder, const std::vector<std::string>& names) {
  if (!report::has_gnuplot()) {
    std::cout << "note: gnuplot is not installed, so nothing was drawn; the data and scripts are "
                 "in "
              << folder << ": install gnuplot (Debian: apt install gnuplot-nox), go there and run "
              << "gnuplot " << join(scripts_of(names), " ") << "\n";
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
