// Numbers as text, the same way in every file and table.
#pragma once

#include <cstdint>
#include <string>

namespace unlazy {

/// The shortest decimal text that reads back as the same double: 0.1, 1e-05, 160, nan, inf.
std::string number_text(double value);
/// The same for a float, so that 0.1f is "0.1".
std::string number_text(float value);
/// `value` with `digits` significant digits, for tables that a person reads.
std::string rounded_text(double value, int digits = 4);
/// "1h 02m", "3m 05s", "4.2s"
std::string duration_text(double seconds);
/// "89.4 MB"
std::string bytes_text(double bytes);

}  // namespace unlazy
