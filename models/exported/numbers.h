// The arithmetic of sizes in an exported graph: Python's operators on numbers, such as
// _operator.floordiv for (height + 1) // 2.
#pragma once

#include <ATen/core/ivalue.h>

#include <string_view>
#include <vector>

namespace unlazy::models {

/// Numbers (int, float, bool) -> number.
using NumberFunction = c10::IValue (*)(const std::vector<c10::IValue>& arguments);

/// The function of a node's target; null when it is none of these.
NumberFunction number_function(std::string_view target);

}  // namespace unlazy::models
