#include "report/terminal_chart.h"

#include <gtest/gtest.h>

#include <cmath>

namespace unlazy::report {
namespace {

size_t columns_of(const std::string& text) {
  size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
  return count;
}

TEST(TerminalChart, FillsItsPlace) {
  const TerminalChart chart{"test_loss", false, {{{0, 1, 2}, {0, 1, 4}, "#112233", 'a'}}};
  const auto text = terminal_text(chart, 40, 8, false);
  ASSERT_EQ(text.size(), 8u);
  for (const auto& line : text) EXPECT_EQ(columns_of(line), 40u) << line;
  EXPECT_EQ(text[0].substr(0, 9), "test_loss");
  EXPECT_EQ(text[1].substr(0, 8), "       4");
  EXPECT_TRUE(text[1].ends_with("a")) << "the last point, at the top right: " << text[1];
  EXPECT_EQ(text[6].substr(0, 8), "       0");
  EXPECT_TRUE(text[7].ends_with("epoch 2"));
}

TEST(TerminalChart, DrawsDotsOfBraille) {
  // From the lower left to the upper right of 2 x 4 dots; the mark covers the last cell.
  const TerminalChart chart{"", false, {{{0, 1}, {5, 5}, "", 'z'}}};
  const auto text = terminal_text(chart, 24, 5, false);
  EXPECT_NE((text[1] + text[2] + text[3]).find("\xe2"), std::string::npos);
  size_t marks = 0;
  for (const auto& line : text) marks += line.find('z') != std::string::npos ? 1 : 0;
  EXPECT_EQ(marks, 1u);
}

TEST(TerminalChart, WhatCannotBeDrawnIsAGap) {
  const TerminalChart nothing{"x", true, {{{0, 1}, {NAN, -1}, "", 'a'}}};
  const auto text = terminal_text(nothing, 30, 5, false);
  EXPECT_NE(text.back().find("no points yet"), std::string::npos);
  EXPECT_EQ(text[0].substr(0, 7), "x (log)");
}

TEST(TerminalChart, ColoursAreEscapeCodesOnlyWhereWanted) {
  const TerminalChart chart{"", false, {{{0, 1}, {0, 1}, "#0102ff", 'a'}}};
  std::string all;
  for (const auto& line : terminal_text(chart, 30, 6, false)) all += line;
  EXPECT_EQ(all.find('\033'), std::string::npos);
  all.clear();
  for (const auto& line : terminal_text(chart, 30, 6, true)) all += line;
  EXPECT_NE(all.find("\033[38;2;1;2;255m"), std::string::npos);
}

TEST(TerminalChart, ATitleHasNoEscapeCodes) {
  const TerminalChart chart{"a\033[2Jb", false, {{{0, 1}, {0, 1}, "", 'a'}}};
  for (const auto& line : terminal_text(chart, 30, 6, false))
    EXPECT_EQ(line.find('\033'), std::string::npos);
}

TEST(TerminalChart, TextIsCutByCharacters) {
  EXPECT_EQ(fitted("aé", 4), "aé  ");
  EXPECT_EQ(fitted("aéb", 2), "aé");
  EXPECT_EQ(fitted("", 2), "  ");
}

}  // namespace
}  // namespace unlazy::report
