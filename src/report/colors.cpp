#include "report/colors.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <set>

namespace unlazy::report {
namespace {

using Rgb = std::array<double, 3>;  // in [0, 255]

struct Anchor {
  double rate;
  Rgb white, dark;  // on white and on dark paper
};
constexpr std::array<Anchor, 6> kNoise = {{{0, {0x0b, 0x2a, 0x6f}, {0x4a, 0x7f, 0xe8}},
                                           {0.05, {0x8a, 0x2f, 0x9a}, {0xd6, 0x94, 0xea}},
                                           {0.1, {0xe0, 0x53, 0x3d}, {0xff, 0x8f, 0x66}},
                                           {0.2, {0xe8, 0x9a, 0x1e}, {0xff, 0xd9, 0x8a}},
                                           {0.5, {0x14, 0x7a, 0x63}, {0x55, 0xcf, 0xa9}},
                                           {1, {0xa0, 0xa0, 0xa0}, {0xb5, 0xb5, 0xb5}}}};

// Okabe and Ito 2008, "Color universal design", without yellow and black, and two of Paul Tol's.
constexpr std::array kPalette = {"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                 "#E69F00", "#56B4E9", "#332288", "#882255"};
constexpr std::array kDarkPalette = {"#4DA8E0", "#FF8A3D", "#2CC79B", "#E39CC4",
                                     "#F2B93B", "#8CCBF2", "#9A8CE8", "#D0709E"};

std::string text_of(const Rgb& color) {
  std::array<char, 8> text{};
  std::snprintf(
      text.data(), text.size(), "#%02x%02x%02x", static_cast<unsigned>(std::lround(color[0])),
      static_cast<unsigned>(std::lround(color[1])), static_cast<unsigned>(std::lround(color[2])));
  return text.data();
}

const Rgb& color_of(const Anchor& anchor, Paper paper) {
  return paper == Paper::kWhite ? anchor.white : anchor.dark;
}

}  // namespace

std::string noise_color(double rate, Paper paper) {
  rate = std::isfinite(rate) ? std::clamp(rate, 0.0, 1.0) : 0;
  const auto next =
      std::ranges::find_if(kNoise, [&](const Anchor& anchor) { return anchor.rate >= rate; });
  if (next->rate == rate) return text_of(color_of(*next, paper));
  const auto& before = *(next - 1);
  const double share = (rate - before.rate) / (next->rate - before.rate);
  Rgb mixed{};
  for (size_t i = 0; i < mixed.size(); ++i) {
    const double a = color_of(before, paper)[i], b = color_of(*next, paper)[i];
    mixed[i] = a + share * (b - a);
  }
  return text_of(mixed);
}

std::string palette_color(size_t place, Paper paper) {
  return paper == Paper::kWhite ? kPalette[place % kPalette.size()]
                                : kDarkPalette[place % kDarkPalette.size()];
}

std::vector<Look> looks_of(const std::vector<std::optional<double>>& rates) {
  std::map<double, int> count;  // of the curves of each rate; no noise is rate 0
  for (const auto& rate : rates) ++count[rate.value_or(0)];
  const bool has_few = std::ranges::all_of(
      count, [](const auto& rate_and_count) { return rate_and_count.second <= kNumDashes; });
  std::vector<Look> looks;
  std::map<double, int> used;
  for (size_t i = 0; i < rates.size(); ++i) {
    const double rate = rates[i].value_or(0);
    if ((count.size() > 1 || rates.size() == 1) && has_few)
      looks.push_back({noise_color(rate), noise_color(rate, Paper::kDark), used[rate]++});
    else
      looks.push_back({palette_color(i), palette_color(i, Paper::kDark), 0});
  }
  return looks;
}

}  // namespace unlazy::report
