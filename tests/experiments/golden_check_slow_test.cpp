// Against neural-tangents, in fp64 and fp32, and what is said about files that do not fit.
#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "core/safetensors.h"
#include "experiments/golden_check.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"

namespace unlazy::experiments {
namespace {

const std::string kGoldenFile =
    UNLAZY_SOURCE_DIR "/tests/golden/neural_tangents_wrn_n1_k1.safetensors";

class NeuralTangents : public ::testing::TestWithParam<c10::ScalarType> {};

TEST_P(NeuralTangents, AllTensorsAgree) {
  const auto errors = check_golden(kGoldenFile, {c10::kCPU, GetParam()});
  EXPECT_EQ(errors.size(), 18u);
  for (const auto& error : errors) {
    EXPECT_LT(error.by_entry, golden_tolerance(GetParam())) << error.name;
    EXPECT_TRUE(error.is_close) << error.name;
  }
}
INSTANTIATE_TEST_SUITE_P(Precisions, NeuralTangents, ::testing::Values(c10::kDouble, c10::kFloat));

TEST(NeuralTangentsFile, ErrorsAreSaid) {
  const Compute compute{c10::kCPU, c10::kDouble};
  const testing::ScratchFolder folder;
  const auto path = folder / "wrong.safetensors";
  const auto file = load_tensors(kGoldenFile);
  const auto expect = [&](TensorFile changed, const std::string& text) {
    save_tensors(path, changed);
    testing::expect_error([&] { check_golden(path, compute); }, text);
  };
  auto changed = file;
  changed.metadata.erase("lr");
  expect(changed, path +
                      ": its metadata has no \"lr\"; write the file with "
                      "tests/golden/make_neural_tangents_golden.py");
  changed = file;
  changed.metadata["n"] = "-1";
  expect(changed, path + ": its metadata has n = \"-1\", expected a positive number");
  changed = file;
  changed.metadata["n"] = "2";
  expect(changed, path + ": has 11 weights w.00, w.01, ...; a network of 2 blocks a group has 17");
  changed = file;
  for (auto& [name, tensor] : changed.tensors) {
    if (name == "w.03") tensor = tensor.narrow(0, 0, 2);
  }
  expect(changed, path + ": w.03 has shape [2, 16, 3, 3], expected [16, 16, 3, 3]");
  changed = file;
  std::erase_if(changed.tensors, [](const auto& item) { return item.first == "ntk_test"; });
  expect(changed, path +
                      ": has no tensor ntk_test; write the file with "
                      "tests/golden/make_neural_tangents_golden.py");
}

}  // namespace
}  // namespace unlazy::experiments
