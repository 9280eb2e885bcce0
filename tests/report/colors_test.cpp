// Colours that mean something must be told apart: on paper, in grey, by colour-blind readers.
#include "report/colors.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

namespace unlazy::report {
namespace {

using Rgb = std::array<double, 3>;  // linear, in [0, 1]
using Matrix = std::array<Rgb, 3>;

Rgb linear(const std::string& text) {
  Rgb color{};
  for (size_t i = 0; i < 3; ++i) {
    const double c = std::stoi(text.substr(1 + 2 * i, 2), nullptr, 16) / 255.0;
    color[i] = c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
  }
  return color;
}

Rgb times(const Matrix& matrix, const Rgb& v) {
  Rgb out{};
  for (size_t i = 0; i < 3; ++i) {
    for (size_t k = 0; k < 3; ++k) out[i] += matrix[i][k] * v[k];
    out[i] = std::min(1.0, std::max(0.0, out[i]));
  }
  return out;
}

double luminance(const Rgb& c) { return 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2]; }

// Ottosson's Oklab: distances are about what people see.
Rgb oklab(const Rgb& c) {
  const double l = std::cbrt(0.4122214708 * c[0] + 0.5363325363 * c[1] + 0.0514459929 * c[2]);
  const double m = std::cbrt(0.2119034982 * c[0] + 0.6806995451 * c[1] + 0.1073969566 * c[2]);
  const double s = std::cbrt(0.0883024619 * c[0] + 0.2817188376 * c[1] + 0.6299787005 * c[2]);
  return {0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s,
          1.9779984951 * l - 2.4285922050 * m + 0.4505937099 * s,
          0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s};
}

double distance(const Rgb& a, const Rgb& b) {
  const auto p = oklab(a), q = oklab(b);
  return std::hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]);
}

// Machado, Oliveira and Fernandes 2009, full severity.
const std::array<Matrix, 4> kEyes = {{
    {{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}},
    {{{0.152286, 1.052583, -0.204868},
      {0.114503, 0.786281, 0.099216},
      {-0.003882, -0.048116, 1.051998}}},
    {{{0.367322, 0.860646, -0.227968},
      {0.280085, 0.672501, 0.047413},
      {-0.011820, 0.042940, 0.968881}}},
    {{{1.255528, -0.076749, -0.178779},
      {-0.078411, 0.930809, 0.147602},
      {0.004733, 0.691367, 0.303900}}},
}};

const std::vector<double> kRates = {0, 0.05, 0.1, 0.2};  // those of Figure 1

TEST(Colors, NoiseRatesAreToldApartByAllReaders) {
  for (const auto paper : {Paper::kWhite, Paper::kDark}) {
    for (size_t i = 0; i < kRates.size(); ++i) {
      for (size_t k = 0; k < i; ++k) {
        const auto a = linear(noise_color(kRates[i], paper)),
                   b = linear(noise_color(kRates[k], paper));
        for (size_t eye = 0; eye < kEyes.size(); ++eye) {
          EXPECT_GT(distance(times(kEyes[eye], a), times(kEyes[eye], b)), 0.07)
              << kRates[i] << " " << kRates[k] << " eye " << eye;
        }
      }
    }
  }
}

TEST(Colors, NoiseRatesGetLighterInGreyPrint) {
  for (size_t i = 1; i < kRates.size(); ++i) {
    const double grey = std::cbrt(luminance(linear(noise_color(kRates[i])))),
                 before = std::cbrt(luminance(linear(noise_color(kRates[i - 1]))));
    EXPECT_GT(grey, before + 0.1) << kRates[i];
  }
}

TEST(Colors, CurvesStandOutFromTheirPaper) {
  for (const double rate : {0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.8, 1.0}) {
    EXPECT_GT(1.05 / (luminance(linear(noise_color(rate))) + 0.05), 2) << rate;
    EXPECT_GT((luminance(linear(noise_color(rate, Paper::kDark))) + 0.05) / 0.06, 3) << rate;
  }
}

TEST(Colors, RatesBetweenAreMixedAndOthersClamped) {
  EXPECT_EQ(noise_color(0), "#0b2a6f");
  EXPECT_EQ(noise_color(0.1), "#e0533d");
  EXPECT_EQ(noise_color(0.15), "#e4772e");
  EXPECT_EQ(noise_color(-1), noise_color(0));
  EXPECT_EQ(noise_color(NAN), noise_color(0));
  EXPECT_EQ(noise_color(7), noise_color(1));
}

TEST(Colors, CurvesOfOneRateDifferInTheirDashes) {
  const auto looks = looks_of({0.1, std::nullopt, 0.1, 0.0});
  EXPECT_EQ(looks[0].color, noise_color(0.1));
  EXPECT_EQ(looks[0].dash, 0);
  EXPECT_EQ(looks[2].color, noise_color(0.1));
  EXPECT_EQ(looks[2].dash, 1);
  EXPECT_EQ(looks[1].color, noise_color(0)) << "none is no noise";
  EXPECT_EQ(looks[3].dash, 1);
  EXPECT_EQ(looks[0].dark_color, noise_color(0.1, Paper::kDark));
}

TEST(Colors, WhatNoiseDoesNotTellApartHasThePalette) {
  const auto looks = looks_of({0.1, 0.1});
  EXPECT_EQ(looks[0].color, palette_color(0));
  EXPECT_EQ(looks[1].color, palette_color(1));
  EXPECT_EQ(looks[1].dash, 0);
  EXPECT_EQ(looks_of({0.1})[0].color, noise_color(0.1));
  EXPECT_EQ(looks_of({0, 0.1, 0.1, 0.1, 0.1, 0.1})[5].color, palette_color(5));
  EXPECT_EQ(palette_color(8), palette_color(0));
}

}  // namespace
}  // namespace unlazy::report
