// What was found out about runs after they were trained.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace unlazy::experiments {

/// What `unlazy measure` wrote of the newest step into the run `folder`, by name; empty without
/// any. Numbers of other settings than the default ones have these in their names. Throws Error for
/// a file that holds no values.
nlohmann::ordered_json measured_in(const std::string& folder);

/// statements.json of `unlazy compare` in `folder`. Throws Error for another file of that name.
nlohmann::ordered_json read_statements(const std::string& folder);

}  // namespace unlazy::experiments
