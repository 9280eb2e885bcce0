// What --help, --help SECTION and --help-all show, and the Markdown of the docs.
#include <gtest/gtest.h>

#include "core/options.h"
#include "support/expect_error.h"

namespace unlazy {
namespace {

using testing::expect_misuse;

constexpr int kMany = 50;

// A command with many options: two sections by name, and one that is long.
struct Many {
  std::string noise = "none";
  double rho = 0.05, rate = 0;
  std::vector<int64_t> others = std::vector<int64_t>(kMany);
  Options options{"train", tables()};

  std::vector<OptionTable> tables() {
    std::vector<Option> long_one;
    for (size_t i = 0; i < kMany; ++i)
      long_one.push_back({.name = "other-" + std::to_string(i), .target = &others[i]});
    return {{"Label noise",
             {{.name = "noise",
               .target = &noise,
               .help = "Kind of noise.",
               .choices = {{"none", "labels as they are"}, {"flip", "another class"}},
               .is_common = true},
              {.name = "noise-rate", .target = &rate, .help = "How often."}}},
            {"Sharpness-aware minimisation (SAM)",
             {{.name = "rho", .target = &rho, .help = "Radius."}}},
            {"Everything else", std::move(long_one)}};
  }
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(OptionsHelp, OfManyOptionsTheCommonOnesAreShown) {
  Many many;
  const auto text = many.options.help();
  EXPECT_TRUE(
      text.starts_with("\nLabel noise\n"
                       "  --noise NAME                Kind of noise. One of: none, flip. "
                       "(default none)\n\n"))
      << text;
  EXPECT_FALSE(has(text, "--noise-rate") || has(text, "--other-1") || has(text, "--rho")) << text;
  EXPECT_TRUE(has(text, "the common ones of 53 options")) << text;
  EXPECT_TRUE(has(text, "Label noise, Sharpness-aware minimisation (SAM), Everything else"))
      << text;
  EXPECT_TRUE(has(text, "unlazy train --help label") && has(text, "unlazy train --help-all"))
      << text;
}

TEST(OptionsHelp, AllShowsEachOptionAndChoiceOnce) {
  Many many;
  const auto text = many.options.help_all();
  for (const auto& table : many.options.tables()) {
    for (const auto& row : table.rows()) EXPECT_TRUE(has(text, "  --" + row.name + " ")) << text;
  }
  const auto first = text.find("flip");
  EXPECT_EQ(text.find("flip", first + 1), std::string::npos) << text;
  EXPECT_TRUE(has(text, "flip  another class\n")) << text;
}

TEST(OptionsHelp, ASectionIsFoundByAWordOfItsTitleOrAFlag) {
  Many many;
  const auto of = [&](const std::string& word) { return many.options.help_of(word); };
  for (const std::string word : {"sam", "SAM", "sharp", "minimisation", "rho", "--rho"}) {
    EXPECT_TRUE(of(word).starts_with("\nSharpness-aware minimisation (SAM)\n")) << word;
    EXPECT_FALSE(has(of(word), "Label noise")) << word;
  }
  EXPECT_TRUE(of("noise").starts_with("\nLabel noise\n"));
  EXPECT_TRUE(of("noise-rate").starts_with("\nLabel noise\n"));
  expect_misuse([&] { of("compute"); },
                "train: the options have no section 'compute'; the sections are Label noise, "
                "Sharpness-aware minimisation (SAM), Everything else");
}

TEST(OptionsHelp, MarkdownRefersToTablesThatAreKnown) {
  Many many, other;
  other.rho = 2;
  const Options compare("compare", other.tables());
  const auto text = compare.markdown(&many.options);
  EXPECT_FALSE(has(text, "--noise") || has(text, "--other-3")) << text;
  EXPECT_TRUE(has(text,
                  "Label noise, Sharpness-aware minimisation (SAM), Everything else: as "
                  "[unlazy train](#unlazy-train), but for these rows:\n"))
      << text;
  EXPECT_TRUE(has(text, "| `--rho` | Radius. |  | `2` |\n")) << text;
  const auto same = many.options.markdown(&many.options);
  EXPECT_TRUE(has(same, "(#unlazy-train).\n") && !has(same, "|")) << same;
}

}  // namespace
}  // namespace unlazy
