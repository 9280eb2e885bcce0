// An archive of a network from Python (tests/models/exported/resnet.pt2) that a test changes.
#pragma once

#include <caffe2/serialize/inline_container.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/error.h"
#include "models/exported/exported_model.h"
#include "support/scratch_folder.h"

namespace unlazy::testing {

using Json = nlohmann::json;
using Records = std::map<std::string, std::string>;

inline const std::string kNetwork = UNLAZY_SOURCE_DIR "/tests/models/exported/resnet.pt2";

inline Records records_of(const std::string& path) {
  caffe2::serialize::PyTorchStreamReader reader(path);
  Records records;
  for (const auto& name : reader.getAllRecords()) {
    const auto [bytes, size] = reader.getRecord(name);
    records[name] = std::string(static_cast<const char*>(bytes.get()), size);
  }
  return records;
}

inline void write_records(const std::string& path, const Records& records) {
  caffe2::serialize::PyTorchStreamWriter writer(path);
  for (const auto& [name, bytes] : records) {
    // The writer adds these itself.
    if (name == "version" || name == ".data/version" || name == "byteorder" ||
        name == ".data/serialization_id")
      continue;
    writer.writeRecord(name, bytes.data(), bytes.size());
  }
  writer.writeEndOfFile();
}

class ChangedArchive : public ::testing::Test {
 protected:
  ChangedArchive() : records_(records_of(kNetwork)) {
    program_ = Json::parse(records_.at("models/model.json"));
  }

  Json& nodes() { return program_["graph_module"]["graph"]["nodes"]; }
  /// The first node of an operator, such as "conv2d.default".
  Json& node(const std::string& target) {
    for (auto& node : nodes()) {
      if (node["target"].get<std::string>() == "torch.ops.aten." + target) return node;
    }
    throw std::logic_error("no node " + target);
  }

  static Json tensor(const std::string& name) { return {{"as_tensor", {{"name", name}}}}; }
  struct Argument {
    std::string name;
    Json value;
  };
  /// Puts a node behind the one that makes the value `after`, or first if that is empty. It makes
  /// the tensor `result`, or nothing.
  void insert(const std::string& after, const std::string& target,
              const std::vector<Argument>& arguments, const std::string& result) {
    Json made = {{"target", "torch.ops.aten." + target},
                 {"inputs", Json::array()},
                 {"outputs", Json::array()},
                 {"metadata", Json::object()}};
    for (const auto& [name, value] : arguments)
      made["inputs"].push_back({{"name", name}, {"arg", value}, {"kind", 1}});
    if (!result.empty()) made["outputs"].push_back(tensor(result));
    auto& list = nodes();
    std::ptrdiff_t place = 0;
    for (size_t i = 0; i < list.size() && !after.empty(); ++i) {
      const auto& outputs = list[i].at("outputs");
      if (!outputs.empty() && outputs[0] == tensor(after))
        place = static_cast<std::ptrdiff_t>(i) + 1;
    }
    if (place == 0 && !after.empty()) throw std::logic_error("no node makes " + after);
    list.insert(list.begin() + place, made);
  }
  /// From now on the network gives this value.
  void give(const std::string& name) {
    program_["graph_module"]["signature"]["output_specs"][0] = {
        {"user_output", {{"arg", tensor(name)}}}};
  }

  std::string write() {
    records_["models/model.json"] = program_.dump();
    return write_all();
  }
  /// The message with which the changed archive is refused; empty when it can be used.
  std::string refusal() { return refusal_of_file(write()); }
  std::string refusal_of_records() { return refusal_of_file(write_all()); }
  static std::string refusal_of(const std::string& path) {
    try {
      models::make_exported(path, {});
    } catch (const Error& error) {
      return error.what();
    }
    return {};
  }
  /// Changes the config of the weights.
  std::string refusal_of_weights(const std::function<void(Json&)>& change) {
    auto& text = records_["data/weights/model_weights_config.json"];
    auto config = Json::parse(text);
    change(config["config"]);
    text = config.dump();
    return refusal_of_records();
  }
  static bool has(const std::string& text, const std::string& part) {
    if (text.find(part) != std::string::npos) return true;
    ADD_FAILURE() << "'" << text << "' does not say: " << part;
    return false;
  }

  ScratchFolder scratch_;
  Records records_;
  Json program_;

 private:
  std::string write_all() {
    const auto path = scratch_ / "changed.pt2";
    write_records(path, records_);
    return path;
  }
  static std::string refusal_of_file(const std::string& path) {
    const auto text = refusal_of(path);
    EXPECT_TRUE(text.empty() || text.starts_with(path)) << text;
    return text;
  }
};

}  // namespace unlazy::testing
