// Looking up a row by its name; for the files of options.h only.
#pragma once

#include <string_view>
#include <vector>

#include "core/options.h"

namespace unlazy {

/// The row of that name, or null.
const Option* find_row(const std::vector<OptionTable>& tables, std::string_view name);

}  // namespace unlazy
