// Text for gnuplot. Names of runs and folders come from outside, and a line break in one would
// begin a command of the script. So every text goes through gnuplot_quoted(), and every name that
// is not ours through plain_text() first.
#pragma once

#include <string>

namespace unlazy::report {

/// The text on one line: control characters become blanks, bytes that are no UTF-8 become '?'.
std::string one_line(const std::string& text);

/// The text on one line, in the single quotes of a gnuplot script.
std::string gnuplot_quoted(const std::string& text);

/// A name as a part of enhanced text (figure.h) that shows it as it is: what gnuplot takes for
/// markup (_ ^ { } @ & ~ and the backslash) has a backslash before it.
std::string plain_text(const std::string& name);

/// A name as a part of a file's name: on one line, with "_" for "/".
std::string file_text(const std::string& name);

/// A number as enhanced text: "0.05", "5 × 10^{-4}", "10^{6}".
std::string power_text(double value);

/// The width of enhanced text in the legend's font, in points. Markup does not count.
double text_width(const std::string& text);

}  // namespace unlazy::report
