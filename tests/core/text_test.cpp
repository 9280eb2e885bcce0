// Numbers and names as text.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

#include "core/format.h"
#include "core/names.h"
#include "core/registry.h"
#include "core/rng.h"
#include "support/expect_error.h"

namespace unlazy {
namespace {

TEST(NumberText, IsShortest) {
  EXPECT_EQ(number_text(0.1), "0.1");
  EXPECT_EQ(number_text(0.1f), "0.1");
  EXPECT_EQ(number_text(1e-5), "1e-05");
  EXPECT_EQ(number_text(160.0), "160");
  EXPECT_EQ(number_text(-0.0), "-0");
  EXPECT_EQ(number_text(std::nan("")), "nan");
  EXPECT_EQ(number_text(-std::numeric_limits<double>::infinity()), "-inf");
}

TEST(NumberText, ReadsBackTheSame) {
  Rng rng(0, Stream::kProbe);
  for (int i = 0; i < 1000; ++i) {
    const double value = rng.normal() * std::pow(10.0, 600 * (rng.uniform() - 0.5));
    EXPECT_EQ(std::strtod(number_text(value).c_str(), nullptr), value);
    const float small = static_cast<float>(rng.normal());
    EXPECT_EQ(std::strtof(number_text(small).c_str(), nullptr), small);
  }
}

TEST(RoundedText, HasSignificantDigits) {
  EXPECT_EQ(rounded_text(0.123456), "0.1235");
  EXPECT_EQ(rounded_text(123456), "1.235e+05");
  EXPECT_EQ(rounded_text(99.5, 2), "1e+02");
  EXPECT_EQ(rounded_text(2.0), "2");
}

TEST(DurationText, NeverShowsSixtySeconds) {
  EXPECT_EQ(duration_text(4.21), "4.2s");
  EXPECT_EQ(duration_text(59.94), "59.9s");
  EXPECT_EQ(duration_text(59.96), "1m 00s");
  EXPECT_EQ(duration_text(185), "3m 05s");
  EXPECT_EQ(duration_text(3599.6), "1h 00m");
  EXPECT_EQ(duration_text(3720), "1h 02m");
  EXPECT_EQ(duration_text(100 * 3600), "100h 00m");
  EXPECT_EQ(duration_text(-1), "?");
  EXPECT_EQ(duration_text(std::nan("")), "?");
}

TEST(BytesText, NeverShowsAThousand) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(999), "999 B");
  EXPECT_EQ(bytes_text(999.9), "1.0 kB");
  EXPECT_EQ(bytes_text(999'960), "1.0 MB");
  EXPECT_EQ(bytes_text(89'391'696), "89.4 MB");
  EXPECT_EQ(bytes_text(5e12), "5000.0 GB");
}

TEST(Suggest, NamesTheNearest) {
  const std::vector<std::string> known = {"noise", "noise-rate", "momentum"};
  EXPECT_EQ(suggest("noise-rat", known), "did you mean 'noise-rate'?");
  EXPECT_EQ(suggest("nois", known), "did you mean 'noise'?");
  EXPECT_EQ(suggest("nesterov", known), "known: noise, noise-rate, momentum");
  EXPECT_EQ(suggest("x", {}), "none is known");
  EXPECT_EQ(nearest("momentmu", known), "momentum");
  EXPECT_EQ(nearest("", known), std::nullopt);
}

// Two slips are near, three are not; in a word of twelve letters four are.
TEST(Suggest, StopsWhereAnotherWordBegins) {
  EXPECT_EQ(nearest("abcd", {"abxy"}), "abxy");
  EXPECT_EQ(nearest("abcd", {"axyz"}), std::nullopt);
  EXPECT_EQ(nearest("wd", {"lr"}), std::nullopt);
  EXPECT_EQ(nearest("abcdefghijkl", {"abcdefghwxyz"}), "abcdefghwxyz");
  EXPECT_EQ(nearest("abcdefghijkl", {"abcdefgvwxyz"}), std::nullopt);
}

TEST(Suggest, CaseIsNoSlip) {
  EXPECT_EQ(nearest("ResNet-18x", {"vgg", "resnet18"}), "resnet18");
  EXPECT_EQ(nearest("WEIGHT_DECY", {"lr", "weight-decay"}), "weight-decay");
  EXPECT_EQ(nearest("no-batch", {"batch"}), std::nullopt);  // a dash is one
}

TEST(SameName, DiffersInCaseAndDashesOnly) {
  const std::vector<std::string> known = {"resnet18", "wrn-28-10", "a-b", "ab"};
  EXPECT_EQ(same_name("ResNet-18", known), "resnet18");
  EXPECT_EQ(same_name("WRN_28_10", known), "wrn-28-10");
  EXPECT_EQ(same_name("ab", known), "ab");
  EXPECT_EQ(same_name("AB", known), std::nullopt);  // which one?
  EXPECT_EQ(same_name("resnet", known), std::nullopt);
  EXPECT_EQ(suggest("WRN2810", known), "did you mean 'wrn-28-10'?");
}

TEST(Join, PutsSeparatorsBetween) {
  EXPECT_EQ(join({}), "");
  EXPECT_EQ(join({"a"}), "a");
  EXPECT_EQ(join({"a", "", "c"}, "-"), "a--c");
}

TEST(RegistryOfComponents, FindsOrSuggests) {
  const Registry<int()> registry("noise", {{"flip", "another class", [] { return 1; }},
                                           {"pair", "the next one", [] { return 2; }}});
  EXPECT_EQ(registry.find("pair").make(), 2);
  EXPECT_EQ(registry.choices()[0].name, "flip");
  EXPECT_EQ(registry.choices()[1].help, "the next one");
  testing::expect_misuse([&] { registry.find("flipp"); },
                         "noise: there is no 'flipp'; did you mean 'flip'?");
  testing::expect_misuse([&] { registry.find("gaussian"); },
                         "noise: there is no 'gaussian'; known: flip, pair");
}

}  // namespace
}  // namespace unlazy
