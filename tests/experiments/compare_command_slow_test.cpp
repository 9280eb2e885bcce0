// `unlazy compare` and `unlazy reproduce fig3`, as a user runs them.
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "core/files.h"
#include "core/safetensors.h"
#include "support/program.h"
#include "support/scratch_folder.h"

namespace unlazy::experiments {
namespace {

namespace fs = std::filesystem;
using testing::run_program;
using testing::ScratchFolder;

const std::string kFile = UNLAZY_SOURCE_DIR "/tests/golden/neural_tangents_wrn_n1_k1.safetensors";

void expect_message(const std::vector<std::string>& words, int code, const std::string& text) {
  const auto result = run_program(words);
  EXPECT_EQ(result.exit_code, code) << result.out;
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err, "unlazy: " + text + "\n");
}

TEST(CompareCommand, GoldenFileIsCheckedTensorByTensor) {
  const auto result = run_program({"compare", "--golden", kFile, "--precision", "fp32"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  EXPECT_TRUE(result.out.starts_with("tensor  ")) << result.out;
  EXPECT_TRUE(result.out.ends_with("\nall within 1e-04\n")) << result.out;
  for (const char* row :
       {"f_train  ", "ntk_train  ", "ntk_test  ", "ntk_traced  ", "lr_max  ", "gd_loss  ",
        "lin_f_test (closed form)  ", "flow_f_test  ", "lin_f_test (weight space)  "})
    EXPECT_NE(result.out.find("\n" + std::string(row)), std::string::npos) << row;
}

TEST(CompareCommand, OneWrongReferenceValueFails) {
  const ScratchFolder scratch;
  const auto path = scratch / "wrong.safetensors";
  auto file = load_tensors(kFile);
  for (auto& [name, tensor] : file.tensors) {
    if (name == "ntk_test") tensor[3][4] += tensor.abs().max() * 2e-4;
  }
  save_tensors(path, file);
  const auto result = run_program({"compare", "--golden", path, "--precision", "fp32"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.err,
            "unlazy: " + path + ": not all tensors are within 1e-04 of the reference\n");
  std::istringstream lines(result.out);
  for (std::string line; std::getline(lines, line);)
    EXPECT_EQ(line.ends_with("  TOO LARGE"), line.starts_with("ntk_test ")) << line;
}

TEST(CompareCommand, SaysWhatIsWrongWithAGoldenFile) {
  const ScratchFolder scratch;
  const auto cut = scratch / "cut.safetensors", none = scratch / "none.safetensors";
  write_file(cut, read_file(kFile).substr(0, 100000));
  expect_message({"compare", "--golden", none}, 1,
                 none + ": cannot be read: No such file or directory");
  const auto truncated = run_program({"compare", "--golden", cut});
  EXPECT_EQ(truncated.exit_code, 1);
  EXPECT_TRUE(truncated.err.starts_with("unlazy: " + cut + ": is not a whole safetensors file"))
      << truncated.err;
  // Another project's file.
  save_tensors(cut, {{{"weight", at::Tensor(load_tensors(kFile).at("f_test"))}}, {}});
  expect_message({"compare", "--golden", cut}, 1,
                 cut +
                     ": its metadata has no \"n\"; write the file with "
                     "tests/golden/make_neural_tangents_golden.py");
  expect_message({"compare", "--goldn", kFile}, 2,
                 "compare: there is no flag --goldn; did you mean --golden?");
  expect_message({"compare", "--golden", kFile, "--precision", "bf16"}, 2,
                 "compare: reference values are checked in fp32 or fp64; give --precision");
}

TEST(CompareCommand, SaysWhatCannotBeCompared) {
  expect_message({"compare"}, 2,
                 "compare: name what to compare with gradient descent: label noise, such as "
                 "--noise flip-any --noise-rate 0.5, or SAM: --optimizer sam --rho 2");
  expect_message({"compare", "--optimizer", "adamw", "--noise", "flip", "--noise-rate", "0.5",
                  "--linear-space", "function"},
                 2,
                 "compare: in function space, it follows sgd and sam, not --optimizer adamw, or "
                 "leave out --linear-space");
  expect_message({"compare", "--preset", "fig3", "--resume", "--overwrite"}, 2,
                 "compare: --resume and --overwrite exclude each other");
  expect_message({"compare", "--preset", "fig33"}, 2,
                 "--preset: there is no 'fig33'; did you mean 'fig3'?");
  expect_message({"compare", "--noise", "flip", "--noise-rate", "0.5", "--lr", "0.1"}, 2,
                 "--lr 0.1 has no effect with --lr-fraction 0.8; leave it out, or give "
                 "--lr-fraction 0");
  expect_message({"compare", "runs/a"}, 2,
                 "compare: does not know what to do with 'runs/a'; see unlazy compare --help");
}

TEST(CompareCommand, ComparesAndPrintsWhatHolds) {
  const ScratchFolder scratch;
  const auto out = scratch / "out";
  std::vector<std::string> words = {
      "compare", "--model", "mlp",      "--hidden-width", "8",   "--train-size",
      "16",      "--batch", "16",       "--test-size",    "8",   "--epochs",
      "10",      "--noise", "flip-any", "--noise-rate",   "0.5", "--seeds",
      "0,1",     "--out",   out,        "--threads",      "1",   "--precision",
      "fp64"};
  const auto result = run_program(words);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto table = result.out.find("\nWhat the paper says, and what is seen here:\n");
  ASSERT_NE(table, std::string::npos) << result.out;
  std::istringstream lines(result.out.substr(table));
  int statements = 0;
  for (std::string line; std::getline(lines, line);)
    statements += line.starts_with("  holds  ") || line.starts_with("  does not hold  ") ||
                          line.starts_with("  not clear  ")
                      ? 1
                      : 0;
  EXPECT_EQ(statements, 10);
  EXPECT_NE(result.out.find("\nseed 1: learning rate "), std::string::npos);
  EXPECT_TRUE(fs::exists(out + "/statements.json"));
  EXPECT_TRUE(fs::exists(out + "/figures/compare.gp"));

  expect_message(words, 2,
                 out +
                     ": holds a comparison; continue it with --resume, replace it with "
                     "--overwrite, or choose another --out");
  words.push_back("--resume");
  EXPECT_EQ(run_program(words).exit_code, 0);
  // What goes on keeps its options, also without the flags.
  const auto again = run_program({"compare", "--out", out, "--resume"});
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_NE(again.out.find("kernel read from " + out), std::string::npos) << again.out;
  words.back() = "--overwrite";
  EXPECT_EQ(run_program(words).exit_code, 0);
}

// A folder with a run of another seed stops each right after the call is printed.
TEST(CompareCommand, FiguresAreItsPresets) {
  const ScratchFolder scratch;
  for (const std::string figure : {"fig3", "fig5"}) {
    const auto out = scratch / figure;
    const auto run = out + "/seed0/clean";
    fs::create_directories(run);
    write_file(run + "/config.json", R"({"seed": 5})");
    write_file(run + "/DONE", "");
    const auto result = run_program({"reproduce", figure, "--scale", "quick", "--out", out});
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_TRUE(result.out.starts_with("note: --scale quick is a small version of " + figure));
    EXPECT_NE(result.out.find("\nunlazy compare --preset " + figure + "-quick --out " + out +
                              " --resume\n"),
              std::string::npos)
        << result.out;
    EXPECT_EQ(result.err, "unlazy: " + run +
                              ": was run with seed 5, but --resume was given 0; leave the flag "
                              "out, or start a new run with another --out\n");
  }
}

}  // namespace
}  // namespace unlazy::experiments
