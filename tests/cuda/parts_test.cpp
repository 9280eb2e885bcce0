// What the program says about its CUDA parts.
#include "cuda/parts.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/program.h"

namespace unlazy::cuda {
namespace {

using Lines = std::vector<std::string>;

constexpr Part kTried = {"tried part", "NVIDIA H200"};
constexpr Part kNew = {"new part", ""};
constexpr Part kOther = {"other part", "", "checked by reading"};

TEST(CudaParts, ArchitecturesAreReadable) {
  EXPECT_EQ(architectures_text("80-real,90-real,100"),
            "sm_80, sm_90, sm_100, PTX of compute_100 for later ones");
  EXPECT_EQ(architectures_text("80-virtual,90a-real"), "sm_90a, PTX of compute_80 for later ones");
  EXPECT_EQ(architectures_text("native"), "native");
}

TEST(CudaParts, EachPartHasALineWithItsState) {
  EXPECT_EQ(part_lines({kTried, kNew, kOther}, "90-real"),
            (Lines{"for sm_90", "tried part: run on an NVIDIA H200",
                   "new part: not yet run on a GPU; checked on the CPU by emulation",
                   "other part: not yet run on a GPU; checked by reading"}));
}

TEST(CudaParts, ABuildWithoutThemSaysInOneLineHowToBuildThem) {
  const auto lines = part_lines({kTried, kNew}, "");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_TRUE(lines[0].starts_with("not built; ")) << lines[0];
  EXPECT_NE(lines[0].find("-DUNLAZY_CUDA=ON"), std::string::npos) << lines[0];
}

TEST(CudaParts, OnlyUntriedPartsAreNoted) {
  EXPECT_EQ(untried_note({kTried}), "");
  EXPECT_EQ(untried_note({kNew, kTried, kOther}),
            "these CUDA parts have not run on a GPU in their present form (see `unlazy info`): new "
            "part, other part");
}

TEST(CudaParts, InfoPrintsThoseOfThisBuild) {
  const auto result = testing::run_program({"info"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const auto lines = part_lines({kParts.begin(), kParts.end()}, architectures());
  std::string rows = "\nCUDA parts   " + lines[0] + "\n";
  for (size_t i = 1; i < lines.size(); ++i) rows += std::string(13, ' ') + lines[i] + "\n";
  EXPECT_NE(result.out.find(rows), std::string::npos) << result.out;
#ifdef UNLAZY_HAS_CUDA
  EXPECT_EQ(lines.size(), 1 + kParts.size());
  EXPECT_NE(lines[0].find("_"), std::string::npos) << lines[0];
#else
  EXPECT_EQ(lines.size(), 1u);
#endif
}

}  // namespace
}  // namespace unlazy::cuda
