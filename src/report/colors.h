// The colours of curves, one meaning for each in all figures and on the page of `unlazy report`.
// A rate of label noise has its own colour, wherever it is drawn: dark blue without noise, then
// purple, red, orange as it grows. Lightness grows too, so the curves differ in grey print and for
// colour-blind readers; a test measures how much. What is not told apart by noise has the palette
// of Okabe and Ito.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace unlazy::report {

/// Paper is white; a page may be dark.
enum class Paper { kWhite, kDark };

/// The colour "#rrggbb" of label noise of this rate in [0, 1]: fixed for 0, 0.05, 0.1, 0.2, 0.5 and
/// 1, and between them a mixture of the two neighbours, so that near rates have near colours.
std::string noise_color(double rate, Paper paper = Paper::kWhite);

/// The colour of the `place`-th curve (from 0) where noise does not tell the curves apart. After 8
/// they repeat.
std::string palette_color(size_t place, Paper paper = Paper::kWhite);

/// How a curve looks.
struct Look {
  std::string color, dark_color;  // on white and on dark paper
  int dash = 0;                   // place in the list of dashes; 0: solid
};
inline constexpr int kNumDashes = 4;  // solid, dashed, dotted, dash-dotted

/// The looks of curves that are drawn together. `rates`: the noise rate of each, nothing where it
/// has none. With different rates, each has the colour of its rate; curves of the same rate have
/// different dashes. Where all curves have one rate (unless there is but one curve), or more curves
/// than there are dashes have the same, the palette is used.
std::vector<Look> looks_of(const std::vector<std::optional<double>>& rates);

}  // namespace unlazy::report
