// Suggestions for mistyped names.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace unlazy {

/// `name` itself where it is known, else the known name that differs only in case, '-' and '_':
/// "resnet18" for "ResNet-18". None when several do.
std::optional<std::string> same_name(std::string_view name, const std::vector<std::string>& known);

/// The known name nearest to `name` by edit distance, without regard to case, if it is so near
/// that `name` may be a typing error of it. '_' counts as '-'.
std::optional<std::string> nearest(std::string_view name, const std::vector<std::string>& known);

/// "did you mean 'noise-rate'?" for the known name nearest to `name`, or the list of all known names
/// when none is near.
std::string suggest(std::string_view name, const std::vector<std::string>& known);

/// "a, b, c"
std::string join(const std::vector<std::string>& words, std::string_view separator = ", ");

}  // namespace unlazy
