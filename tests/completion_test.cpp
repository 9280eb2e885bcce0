// The completion script: it knows every command and flag, and bash makes of it what a user expects.
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "command.h"
#include "core/files.h"
#include "support/program.h"
#include "support/scratch_folder.h"

namespace unlazy::tools {
namespace {

using testing::run_command;
using testing::run_program;
using Words = std::vector<std::string>;

std::string script() {
  const auto result = run_program({"completion", "bash"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  return result.out;
}

TEST(Completion, KnowsEveryCommandFlagAndChoice) {
  const std::string text = script();
  for (const auto& [name, help, command] : all_commands()) {
    EXPECT_NE(text.find("\n    \"" + name + "\")\n"), std::string::npos) << name;
    for (const auto& table : command->options().tables()) {
      for (const auto& row : table.rows()) {
        EXPECT_NE(text.find("\"" + name + " --" + row.name + "\")"), std::string::npos) << row.name;
        for (const auto& choice : row.choices)
          EXPECT_NE(text.find(choice.name), std::string::npos) << choice.name;
      }
    }
  }
}

TEST(Completion, RefusesOtherShells) {
  const auto result = run_program({"completion", "fish"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.err, "unlazy: completion: knows bash only; write unlazy completion bash\n");
}

class CompletionInBash : public ::testing::Test {
 protected:
  void SetUp() override {
    if (run_command({"bash", "--version"}).exit_code != 0) GTEST_SKIP() << "there is no bash";
    write_file(scratch_ / "script", script());
  }
  // What bash offers for the last of these words.
  Words offers(const Words& words) {
    std::string line = "cd " + scratch_.path() + "; source ./script; COMP_WORDS=(";
    for (const auto& word : words) line += "'" + word + "' ";
    line += "); COMP_CWORD=" + std::to_string(words.size() - 1) +
            "; _unlazy; printf '%s\\n' \"${COMPREPLY[@]}\"";
    const auto result = run_command({"bash", "-u", "-c", line});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(result.err, "");
    Words list;
    std::istringstream in(result.out);
    for (std::string word; in >> word;) list.push_back(word);
    return list;
  }
  testing::ScratchFolder scratch_;
};

TEST_F(CompletionInBash, OffersCommands) {
  EXPECT_EQ(offers({"unlazy", "tra"}), (Words{"train"}));
  Words names;
  for (const auto& entry : commands().entries()) names.push_back(entry.name);
  names.insert(names.end(), {"help", "--help", "--version"});
  EXPECT_EQ(offers({"unlazy", ""}), names);
}

TEST_F(CompletionInBash, OffersFlagsOfTheCommand) {
  EXPECT_EQ(offers({"unlazy", "train", "--noise-rat"}), (Words{"--noise-rate"}));
  EXPECT_EQ(offers({"unlazy", "info", "--noise-rat"}), Words{});
  EXPECT_EQ(offers({"unlazy", "train", "--print"}), (Words{"--print-config"}));
  EXPECT_EQ(offers({"unlazy", "train", "--lr", "0.1", "--momen"}), (Words{"--momentum"}));
}

TEST_F(CompletionInBash, OffersValues) {
  EXPECT_EQ(offers({"unlazy", "train", "--precision", "f"}), (Words{"fp32", "fp64"}));
  EXPECT_EQ(offers({"unlazy", "train", "--precision", "=", "b"}), (Words{"bf16"}));
  EXPECT_EQ(offers({"unlazy", "train", "--deterministic", "="}), (Words{"true", "false"}));
  EXPECT_EQ(offers({"unlazy", "train", "--lr", ""}), Words{});
}

TEST_F(CompletionInBash, OffersWhatIsBelowACommand) {
  EXPECT_EQ(offers({"unlazy", "bench", "s"}), (Words{"synthetic", "sparse"}));
  EXPECT_EQ(offers({"unlazy", "bench", "train", "--noise-rat"}), (Words{"--noise-rate"}));
  EXPECT_EQ(offers({"unlazy", "bench", "train", "--precision", "f"}), (Words{"fp32", "fp64"}));
  EXPECT_EQ(offers({"unlazy", "bench", "linearise", "--noise-rat"}), Words{});
  EXPECT_EQ(offers({"unlazy", "reproduce", "fig1"}), (Words{"fig1", "fig1c"}));
  EXPECT_EQ(offers({"unlazy", "help", "tra"}), (Words{"train"}));
}

TEST_F(CompletionInBash, OffersPresetsAndMeasurements) {
  EXPECT_EQ(offers({"unlazy", "synthetic", "--preset", "fig2"}),
            (Words{"fig2", "fig2-100k", "fig2-noise"}));
  EXPECT_EQ(offers({"unlazy", "train", "--measure", "ntk"}), (Words{"ntk-trace", "ntk-change"}));
  EXPECT_EQ(offers({"unlazy", "measure", "--measure", "test,first"}), (Words{"test,first-layer"}));
}

TEST_F(CompletionInBash, OffersFilesAndFirstWords) {
  write_file(scratch_ / "run.json", "{}");
  EXPECT_EQ(offers({"unlazy", "train", "--config", "ru"}), (Words{"run.json"}));
  EXPECT_EQ(offers({"unlazy", "train", "--out", "ru"}), (Words{"run.json"}));
  EXPECT_EQ(offers({"unlazy", "data", "in"}), (Words{"info"}));
}

}  // namespace
}  // namespace unlazy::tools
