#include "report/page.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/files.h"
#include "support/scratch_folder.h"

namespace unlazy::report {
namespace {

TEST(Page, Base64IsThatOfTheStandard) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64("\xff\xfe\xfd"), "//79");
  EXPECT_EQ(packed_floats({1}), "AACAPw==");
  EXPECT_EQ(packed_counts({1, -5, int64_t{1} << 40}), "AQAAAAAAAAD/////");
}

TEST(Page, IsOneFileWithoutLinksToOthers) {
  const auto page = html_page("a title", {{"x", 1}});
  EXPECT_NE(page.find("<title>a title</title>"), std::string::npos);
  for (const char* link : {"<link rel=\"stylesheet", "src=\"http", "@import", "url(http", "fetch("})
    EXPECT_EQ(page.find(link), std::string::npos) << link;
  for (const char* mark : {"<!--title-->", "/*style*/", "/*script*/", "/*data*/"})
    EXPECT_EQ(page.find(mark), std::string::npos) << mark;
}

// A run's name is no HTML and ends no script.
TEST(Page, TextFromOutsideStaysText) {
  const std::string evil = "</script><script>alert(1)</script><!--";
  const auto page = html_page(evil, {{"name", evil}});
  EXPECT_EQ(page.find("<script>alert"), std::string::npos);
  EXPECT_NE(page.find("\\u003c/script>\\u003cscript>alert(1)"), std::string::npos);
  EXPECT_NE(page.find("&lt;/script&gt;"), std::string::npos);
}

TEST(Page, ATitleMayHoldTheMarksOfThePage) {
  const auto page = html_page("runs/*data*//*script*/", {{"x", "<!--title-->"}});
  EXPECT_NE(page.find("<title>runs/*data*//*script*/</title>"), std::string::npos);
  EXPECT_NE(page.find("id=\"data\">{\"x\":\"\\u003c!--title-->\"}</script>"), std::string::npos);
}

TEST(Page, WhatIsNoPictureHasNoUrl) {
  const testing::ScratchFolder scratch;
  write_file(scratch / "a.png", "no picture");
  write_file(scratch / "b.png", "");
  EXPECT_EQ(picture_url(scratch / "a.png", 100), "");
  EXPECT_EQ(picture_url(scratch / "b.png", 100), "");
}

}  // namespace
}  // namespace unlazy::report
