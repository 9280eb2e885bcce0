#include "report/text.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>

#include "core/format.h"

namespace unlazy::report {
namespace {

constexpr std::string_view kMarkup = "_^{}@&~\\";

// Of DejaVu Sans, from the blank to '~', in thousandths of the font's size.
constexpr std::array<int, 95> kWidths = {
    318,  401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337,  // ' ' to /
    636,  636, 636, 636, 636, 636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531,  // 0 to ?
    1000, 684, 686, 698, 770, 632, 575, 775, 752, 295, 295, 656, 557, 863, 748, 787,  // @ to O
    603,  787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838, 500,  // P to _
    500,  613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612,  // ` to o
    635,  635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838};      // p to ~
constexpr double kOtherWidth = 0.66;    // of a letter that is not in the table
constexpr double kFontSize = 10 * 1.3;  // font 10 of a PNG, in the points of a figure
constexpr double kSmall = 0.8;          // of what is raised or lowered

// The bytes of the character at `i`, or 0 where none of UTF-8 begins.
size_t character_at(const std::string& text, size_t i, uint32_t& code) {
  const auto byte = [&](size_t k) { return static_cast<unsigned char>(text[k]); };
  const unsigned char first = byte(i);
  if (first < 0x80) {
    code = first;
    return 1;
  }
  const size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || i + size > text.size()) return 0;
  code = first & (0xffu >> (size + 1));
  for (size_t k = i + 1; k < i + size; ++k) {
    if ((byte(k) & 0xc0) != 0x80) return 0;
    code = (code << 6) | (byte(k) & 0x3fu);
  }
  const bool is_too_long = (size == 3 && code < 0x800) || (size == 4 && code < 0x10000);
  const bool is_half = code >= 0xd800 && code <= 0xdfff;
  return is_too_long || is_half || code > 0x10ffff ? 0 : size;
}

bool is_control(uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029;
}

}  // namespace

std::string one_line(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    uint32_t code = 0;
    const size_t size = character_at(text, i, code);
    if (size == 0)
      out += '?';
    else if (is_control(code))
      out += ' ';
    else
      out += text.substr(i, size);
    i += std::max<size_t>(size, 1);
  }
  return out;
}

std::string gnuplot_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : one_line(text)) out += c == '\'' ? "''" : std::string(1, c);
  return out + "'";
}

std::string plain_text(const std::string& name) {
  std::string out;
  for (const char c : name) {
    if (kMarkup.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string file_text(const std::string& name) {
  auto out = one_line(name);
  std::replace(out.begin(), out.end(), '/', '_');
  return out;
}

std::string power_text(double value) {
  const std::string plain = number_text(value);
  const double size = std::fabs(value);
  if (value == 0 || !std::isfinite(value) || (size >= 0.001 && size < 1e5)) return plain;
  const double power = std::floor(std::log10(size) + 1e-12);
  const std::string factor = rounded_text(value / std::pow(10.0, power), 4);
  const std::string ten = "10^{" + rounded_text(power, 3) + "}";
  return factor == "1" ? ten : factor == "-1" ? "-" + ten : factor + " × " + ten;
}

double text_width(const std::string& text) {
  double width = 0;
  bool is_small = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool is_escaped = c == '\\' && i + 1 < text.size();
    if (is_escaped) ++i;
    if (!is_escaped && text.compare(i, 3, "{/:") == 0) {
      i = std::min(text.find(' ', i), text.size() - 1);
    } else if (!is_escaped && (c == '_' || c == '^')) {
      is_small = true;
    } else if (!is_escaped && (c == '{' || c == '}')) {
      is_small = is_small && c == '{';
    } else if ((text[i] & 0xc0) != 0x80) {  // not a later byte of a character
      const bool is_known = text[i] >= ' ' && text[i] <= '~';
      const double own =
          is_known ? kWidths[static_cast<size_t>(text[i] - ' ')] / 1000.0 : kOtherWidth;
      width += own * (is_small ? kSmall : 1);
      // Without braces one character is raised.
      if (is_small && i > 0 && (text[i - 1] == '_' || text[i - 1] == '^')) is_small = false;
    }
  }
  return width * kFontSize;
}

}  // namespace unlazy::report
