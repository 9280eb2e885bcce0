// The gnuplot script of a figure, which draws NAME.svg, NAME.pdf and NAME.png from NAME.csv.
#pragma once

#include <string>

#include "report/figure.h"

namespace unlazy::report {

std::string script_of(const Figure& figure, const DrawOptions& options);

}  // namespace unlazy::report
