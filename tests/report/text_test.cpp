#include "report/text.h"

#include <gtest/gtest.h>

namespace unlazy::report {
namespace {

TEST(GnuplotText, StaysOnOneLineInItsQuotes) {
  EXPECT_EQ(gnuplot_quoted("x\nsystem(\"touch pwned\")\r\t'y'\x7f"),
            "'x system(\"touch pwned\")  ''y'' '");
  EXPECT_EQ(one_line("über\xe2\x80\xa8θ*\xc2\x85."), "über θ* .") << "line breaks of Unicode";
  EXPECT_EQ(one_line("a\xff\xc3"), "a??") << "bytes that are no UTF-8";
  EXPECT_EQ(one_line("\xc0\x8a"), "??") << "a line break in too many bytes";
}

TEST(GnuplotText, NamesAreNoMarkup) {
  EXPECT_EQ(plain_text("a_1^{b}@&~\\n"), "a\\_1\\^\\{b\\}\\@\\&\\~\\\\n");
  EXPECT_EQ(file_text("../a\nb"), ".._a b");
}

TEST(GnuplotText, SmallAndLargeNumbersHavePowersOfTen) {
  EXPECT_EQ(power_text(5e-4), "5 × 10^{-4}");
  EXPECT_EQ(power_text(1e-3), "0.001");
  EXPECT_EQ(power_text(1e-6), "10^{-6}");
  EXPECT_EQ(power_text(-2.5e6), "-2.5 × 10^{6}");
  EXPECT_EQ(power_text(0.05), "0.05");
  EXPECT_EQ(power_text(0), "0");
  EXPECT_EQ(power_text(4), "4");
}

TEST(GnuplotText, WidthLeavesMarkupOut) {
  EXPECT_DOUBLE_EQ(text_width("{/:Italic t}"), text_width("t"));
  EXPECT_DOUBLE_EQ(text_width("a\\_1"), text_width("a") + text_width("1") + 5 * 1.3);
  EXPECT_LT(text_width("w_i"), text_width("wi"));
  EXPECT_LT(text_width("iii"), text_width("mmm"));
}

}  // namespace
}  // namespace unlazy::report
