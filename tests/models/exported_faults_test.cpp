// Archives that are damaged, or made to do harm: an error that says what is wrong, never a crash.
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "core/files.h"
#include "core/rng.h"
#include "models/changed_archive.h"
#include "models/exported/exported_model.h"

namespace unlazy {
namespace {

using testing::Json;

class ExportedFaults : public testing::ChangedArchive {};

TEST_F(ExportedFaults, TheUnchangedOneIsFine) { EXPECT_EQ(refusal(), ""); }

TEST_F(ExportedFaults, TruncatedArchives) {
  const auto bytes = read_file(testing::kNetwork);
  const auto path = scratch_ / "cut.pt2";
  for (size_t i = 0; i < 24; ++i) {
    write_file(path, std::string_view(bytes).substr(0, i * bytes.size() / 24));
    EXPECT_TRUE(has(refusal_of(path), "is not a whole archive of torch.export")) << i;
  }
}

// Flipped bytes may hit a weight, which then is another number; nothing else may happen than an
// error of ours.
TEST_F(ExportedFaults, FlippedBytes) {
  const auto bytes = read_file(testing::kNetwork);
  const auto path = scratch_ / "flipped.pt2";
  Rng rng(1, Stream::kProbe);
  int num_refused = 0;
  for (int i = 0; i < 30; ++i) {
    auto changed = bytes;
    for (int k = 0; k < 20; ++k)
      changed[rng.below(static_cast<uint32_t>(bytes.size()))] = static_cast<char>(rng.bits());
    write_file(path, changed);
    num_refused += !refusal_of(path).empty();
  }
  EXPECT_GT(num_refused, 5);
}

TEST_F(ExportedFaults, FlippedBytesOfTheGraph) {
  const auto text = program_.dump();
  Rng rng(2, Stream::kProbe);
  for (int i = 0; i < 60; ++i) {
    auto changed = text;
    changed[rng.below(static_cast<uint32_t>(text.size()))] = static_cast<char>(' ' + rng.below(90));
    records_["models/model.json"] = changed;
    refusal_of_records();  // an error of ours, or none
  }
}

TEST_F(ExportedFaults, AMissingNode) {
  for (size_t i = 0; i < nodes().size(); i += 3) {
    const auto removed = nodes()[i];
    if (removed["target"] == "torch.ops.aten.add_.Tensor") continue;  // nobody reads the counter
    auto& list = nodes();
    list.erase(list.begin() + static_cast<std::ptrdiff_t>(i));
    has(refusal(), "is used before a node has made it");
    list.insert(list.begin() + static_cast<std::ptrdiff_t>(i), removed);
  }
}

TEST_F(ExportedFaults, ACycle) {
  auto& first = node("conv2d.default");
  first["inputs"][0]["arg"]["as_tensor"]["name"] =
      node("linear.default")["outputs"][0]["as_tensor"]["name"];
  has(refusal(), "is used before a node has made it: a node is missing, or the graph has a cycle");
}

TEST_F(ExportedFaults, AValueMadeTwice) {
  nodes().push_back(nodes().front());
  has(refusal(), "is made by two nodes");
}

TEST_F(ExportedFaults, UnknownOperatorsAreNamed) {
  node("linear.default")["target"] = "torch.ops.mine.layer.default";
  has(refusal(), "the operator mine::layer: LibTorch has none of that name");
  node("conv2d.default")["target"] = "torch.ops.higher_order.cond";
  has(refusal(), "control flow or another graph within the graph: higher_order::cond");
}

TEST_F(ExportedFaults, OperatorsThatTouchFiles) {
  auto& target = node("flatten.using_ints");
  target["target"] = "torch.ops.aten.from_file.default";
  has(refusal(), "it reads and makes files");
}

TEST_F(ExportedFaults, WrongArguments) {
  auto& inputs = node("conv2d.default")["inputs"];
  const auto before = inputs;
  inputs[3]["arg"] = {{"as_string", "two"}};
  has(refusal(), "the argument 'stride' is as_string");
  inputs = before;
  inputs[3]["arg"] = {{"as_tensor", {{"name", "x"}}}};
  has(refusal(), "the argument 'stride' is of another kind");
  inputs = before;
  inputs[3]["arg"] = {{"as_ints", {-1, 0}}};
  EXPECT_NE(refusal(), "");
  inputs = before;
  inputs.erase(inputs.begin());
  has(refusal(), "the argument 'input' is missing");
}

TEST_F(ExportedFaults, GiganticSizes) {
  auto& inputs = node("conv2d.default")["inputs"];
  inputs[4]["arg"] = {{"as_ints", {2000000000, 2000000000}}};
  EXPECT_NE(refusal(), "");
  inputs[4]["arg"] = {{"as_ints", {4000000000000000000, 1}}};
  has(refusal(), "a size of 4000000000000000000");
  auto& values = program_["graph_module"]["graph"]["tensor_values"];
  values.begin().value()["sizes"] = {{{"as_int", 1000000}}, {{"as_int", 1000000}}};
  has(refusal(), "more than any network for images has");
}

TEST_F(ExportedFaults, WeightsOfWrongShapes) {
  const auto with_size = [&](int64_t size) {
    return refusal_of_weights(
        [&](Json& config) { config["fc.weight"]["tensor_meta"]["sizes"][0]["as_int"] = size; });
  };
  has(with_size(11), "'fc.weight' does not fit into its record of 640 bytes");
  has(with_size(int64_t{1} << 31), "'fc.weight' does not fit into its record");
  has(with_size(int64_t{1} << 62), "a size of 4611686018427387904");
  has(with_size(-1), "'fc.weight' does not fit into its record");
  EXPECT_NE(with_size(9), "");
}

TEST_F(ExportedFaults, RecordsOutsideTheArchive) {
  for (const std::string name : {"../../../etc/passwd", "/etc/passwd", "..", "a/b"}) {
    has(refusal_of_weights([&](Json& config) { config["fc.weight"]["path_name"] = name; }),
        "the record '" + name + "' is not a plain name");
  }
}

TEST_F(ExportedFaults, PicklesAreNeverRead) {
  has(refusal_of_weights([](Json& config) { config["fc.weight"]["use_pickle"] = true; }),
      "'fc.weight' is stored as a pickle, which is never read");
  // The pickle of the sample input may hold anything.
  records_ = testing::records_of(testing::kNetwork);
  records_["data/sample_inputs/model.pt"] = "no pickle";
  EXPECT_EQ(refusal_of_records(), "");
}

TEST_F(ExportedFaults, OtherVersionsAreNamed) {
  program_["schema_version"]["major"] = 9;
  has(refusal(), "it has version 9.17 of torch.export's schema (PyTorch 2.11");
  write_file(scratch_ / "text.pt2", "no archive");
  EXPECT_NE(refusal_of(scratch_ / "text.pt2"), "");
  EXPECT_NE(refusal_of(scratch_ / "none.pt2"), "");
}

TEST_F(ExportedFaults, DeeplyNestedJson) {
  records_["models/model.json"] = std::string(100000, '[');
  EXPECT_NE(refusal_of_records(), "");
}

}  // namespace
}  // namespace unlazy
