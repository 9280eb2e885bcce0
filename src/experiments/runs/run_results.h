// What was found out about runs after they were trained.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "experiments/statement.h"

namespace unlazy::experiments {

/// What `unlazy measure` wrote of the newest step into the run `folder`, by name; empty without
/// any. Numbers of other settings than the default ones have these in their names; what was not
/// finite is NaN. Throws Error for a file that holds no values.
std::map<std::string, std::vector<double>> measured_in(const std::string& folder);

/// statements.json of `unlazy compare` in `folder`. Throws Error for another file of that name.
std::vector<Statement> read_statements(const std::string& folder);

}  // namespace unlazy::experiments
