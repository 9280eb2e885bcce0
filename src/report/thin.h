// Fewer points for the same picture.
#pragma once

#include <cstddef>
#include <vector>

namespace unlazy::report {

/// The places of at most `most` (>= 4) of the values that draw the same line: the first, the last,
/// and the least and greatest of each of equally many neighbours, ascending. All places where there
/// are no more than `most`. A value that is not finite is kept only among others like it, as a gap.
std::vector<size_t> thinned(const std::vector<double>& values, size_t most);

}  // namespace unlazy::report
