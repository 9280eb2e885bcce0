// The figures of the loss landscape: a line between two checkpoints, or a plane around one.
#pragma once

#include <string>
#include <vector>

#include "measure/landscape.h"
#include "report/figure.h"

namespace unlazy::measure {

/// Loss and accuracy of both splits at `steps` along a line. Vertical lines at 0 and 1 are the
/// checkpoints; `from` and `to` say in the legend which.
report::Figure line_figure(const std::string& name, const std::string& from, const std::string& to,
                           const std::vector<double>& steps, const Landscape::Line& line);

/// Maps of loss and accuracy of `split` ("train", "test") over a plane, `steps` along both axes;
/// the checkpoint in the middle is marked.
report::Figure plane_figure(const std::string& name, const std::string& split,
                            const std::vector<double>& steps, const Slice& slice);

}  // namespace unlazy::measure
