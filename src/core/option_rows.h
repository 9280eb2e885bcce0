// What the files of options.h share: looking up a row by its name, and the flags of every command.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "core/options.h"

namespace unlazy {

/// Flags that every command has (tools/main.cpp).
inline constexpr std::array<const char*, 4> kCommonFlags = {"config", "print-config", "help",
                                                            "help-all"};

/// The row of that name, or null.
const Option* find_row(const std::vector<OptionTable>& tables, std::string_view name);

}  // namespace unlazy
