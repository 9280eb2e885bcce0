// What a graph from Python may hold, one thing at a time: operators in place, random numbers, modes,
// sizes. Each test changes the graph of a small ResNet.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>

#include <memory>
#include <string>

#include "models/changed_archive.h"
#include "models/exported/exported_model.h"
#include "models/init.h"
#include "support/expect_error.h"
#include "support/small_run.h"
#include "train/experiment.h"

namespace unlazy {
namespace {

class ExportedGraphs : public testing::ChangedArchive {
 protected:
  std::shared_ptr<models::Model> model() { return models::make_exported(write(), {}); }
  // In the order that training has.
  static at::Tensor images() {
    const models::SeededGenerator seeded(3);
    return at::randn({4, 3, 32, 32}).contiguous(at::MemoryFormat::ChannelsLast);
  }
  static at::Tensor buffer(models::Model& model, const std::string& name) {
    return model.module().named_buffers(true)[name];
  }
};

TEST_F(ExportedGraphs, InPlaceOnAViewOfAParameterIsRefused) {
  insert("", "detach.default", {{"self", tensor("p_fc_weight")}}, "view");
  insert("view", "mul_.Tensor", {{"self", tensor("view")}, {"other", {{"as_float", 1.5}}}}, "more");
  has(refusal(), "changes a parameter");
}

TEST_F(ExportedGraphs, InPlaceOnAViewOfTheImagesIsRefused) {
  insert("", "slice.Tensor", {{"self", tensor("x")}}, "view");
  insert("view", "mul_.Tensor", {{"self", tensor("view")}, {"other", {{"as_float", 1.5}}}}, "more");
  has(refusal(), "changes the images");
}

// A buffer changes in training only, also through a view of it.
TEST_F(ExportedGraphs, InPlaceOnAViewOfABufferIsForTraining) {
  insert("relu_2", "slice.Tensor", {{"self", tensor("b_bn1_running_mean")}}, "view");
  insert("view", "add_.Tensor", {{"self", tensor("view")}, {"other", {{"as_float", 1.0}}}}, "more");
  const auto network = model();
  const auto mean = buffer(*network, "bn1.running_mean");
  const auto before = mean.clone();
  network->module().eval();
  network->forward(images());
  EXPECT_TRUE(at::equal(mean, before));
  network->module().train();
  network->forward(images());
  EXPECT_GT((mean - before).min().item<double>(), 0.5);
}

// Where the original is read later, a view that is a copy in another order of memory would lose the
// change.
TEST_F(ExportedGraphs, InPlaceOnAReshapedTensor) {
  insert("conv2d", "view.default",
         {{"self", tensor("conv2d")}, {"size", {{"as_ints", {-1, 8192}}}}}, "flat");
  insert("flat", "mul_.Tensor", {{"self", tensor("flat")}, {"other", {{"as_float", 0.0}}}},
         "zeros");
  has(refusal(), "changes a tensor in place of which a reshaped form is used too");
}
TEST_F(ExportedGraphs, InPlaceOnATensorWithAReshapedForm) {
  insert("conv2d", "flatten.using_ints", {{"self", tensor("conv2d")}}, "flat");
  insert("flat", "mul_.Tensor", {{"self", tensor("conv2d")}, {"other", {{"as_float", 2.0}}}},
         "twice");
  insert("twice", "sum.default", {{"self", tensor("flat")}}, "total");
  has(refusal(), "changes a tensor in place of which a reshaped form is used too");
}
TEST_F(ExportedGraphs, InPlaceOnATensorThatIsReshapedLater) {
  insert("conv2d", "mul_.Tensor", {{"self", tensor("conv2d")}, {"other", {{"as_float", 2.0}}}},
         "twice");
  insert("twice", "flatten.using_ints", {{"self", tensor("twice")}}, "flat");
  insert("flat", "sum.default", {{"self", tensor("flat")}}, "total");
  EXPECT_EQ(refusal(), "");
}
// Its schema does not say that the result may be the argument.
TEST_F(ExportedGraphs, InPlaceOnWhatMayBeAParameter) {
  insert("", "detach.default", {{"self", tensor("p_fc_weight")}}, "view");
  insert("view", "type_as.default", {{"self", tensor("view")}, {"other", tensor("x")}}, "same");
  insert("same", "mul_.Tensor", {{"self", tensor("same")}, {"other", {{"as_float", 0.0}}}},
         "zeros");
  has(refusal(), "changes a parameter");
}
// The shape of a view changes, and no value.
TEST_F(ExportedGraphs, AViewOfABufferChangesItsShape) {
  insert("relu_2", "slice.Tensor", {{"self", tensor("b_bn1_running_mean")}}, "view");
  insert("view", "unsqueeze_.default", {{"self", tensor("view")}, {"dim", {{"as_int", 1}}}}, "row");
  insert("row", "squeeze.dim", {{"self", tensor("row")}, {"dim", {{"as_int", 1}}}}, "back");
  insert("back", "add.Tensor", {{"self", tensor("back")}, {"other", tensor("b_bn1_running_var")}},
         "total");
  EXPECT_EQ(refusal(), "");
}
TEST_F(ExportedGraphs, InPlaceOnAReshapedTensorThatAloneIsRead) {
  insert("flatten", "mul_.Tensor", {{"self", tensor("flatten")}, {"other", {{"as_float", 2.0}}}},
         "twice");
  EXPECT_EQ(refusal(), "");
}

TEST_F(ExportedGraphs, RandomNumbersInEvaluationNeedASecondGraph) {
  const auto original = program_.dump();
  insert("flatten", "bernoulli.p", {{"self", tensor("flatten")}, {"p", {{"as_float", 0.5}}}},
         "draws");
  has(refusal(), "it draws random numbers that nothing turns off in evaluation");
  records_["extra/eval.json"] = original;
  EXPECT_EQ(refusal(), "");
  // Dropout that is on in evaluation too: one function a step.
  records_["extra/eval.json"] = program_.dump();
  const auto network = model();
  network->module().eval();
  EXPECT_TRUE(network->is_random());
  const auto pass = [&](int64_t step) {
    network->begin_step(7, step);
    return network->forward(images());
  };
  const auto first = pass(0);
  EXPECT_TRUE(at::equal(pass(0), first));
  EXPECT_TRUE(at::equal(network->forward(images()), first));
  EXPECT_FALSE(at::equal(pass(1), first));
}

TEST_F(ExportedGraphs, ANetworkInEvaluationMode) {
  for (auto& node : nodes()) {
    for (auto& input : node["inputs"]) {
      if (input["name"] == "training" || input["name"] == "train") input["arg"]["as_bool"] = false;
    }
  }
  has(refusal(), "was exported in evaluation mode");
  records_["extra/mode"] = "training";  // all layers were frozen on purpose
  EXPECT_EQ(refusal(), "");
}

TEST_F(ExportedGraphs, BatchNormWithoutRunningStatistics) {
  for (auto& input : node("batch_norm.default")["inputs"]) {
    if (input["name"] == "running_mean" || input["name"] == "running_var")
      input["arg"] = {{"as_none", true}};
  }
  const auto network = model();
  network->module().eval();
  EXPECT_TRUE(network->forward(images()).isfinite().all().item<bool>());
}

TEST_F(ExportedGraphs, StatisticsOfAnotherLayer) {
  records_["extra/eval.json"] = program_.dump();
  for (auto& node : nodes()) {  // 16 channels with the statistics of 8
    for (auto& input : node["inputs"]) {
      if (input["arg"] == tensor("b_layer2_bn1_running_mean"))
        input["arg"] = tensor("b_bn1_running_mean");
    }
  }
  has(refusal(), "in training: exported network:");
}

// BatchNorm runs in one kernel with the ReLU behind it. What stands between sees its new statistics
// all the same.
TEST_F(ExportedGraphs, ReadingStatisticsBehindBatchNorm) {
  const auto sum_of_copy_behind = [&](const std::string& place,
                                      const std::string& of = "b_bn1_running_mean") {
    const auto before = program_;
    insert(place, "clone.default", {{"self", tensor(of)}}, "copy");
    insert("linear", "sum.default", {{"self", tensor("copy")}}, "total");
    insert("total", "mul.Tensor", {{"self", tensor("linear")}, {"other", {{"as_float", 0.0}}}},
           "none");
    insert("none", "add.Tensor", {{"self", tensor("none")}, {"other", tensor("total")}}, "result");
    give("result");
    const auto network = model();
    program_ = before;
    network->module().train();
    const auto result = network->forward(images());
    EXPECT_NEAR(result[0][0].item<double>(),
                buffer(*network, "bn1.running_mean").sum().item<double>(), 1e-5)
        << place;
  };
  sum_of_copy_behind("batch_norm");
  sum_of_copy_behind("relu");
  insert("", "slice.Tensor", {{"self", tensor("b_bn1_running_mean")}}, "view");
  sum_of_copy_behind("batch_norm", "view");
}

// Positions that a graph computes in fp32 by itself are not rounded to bf16 before they meet the
// activations: 990 to 999 would become multiples of 4.
TEST_F(ExportedGraphs, NumbersOfTheGraphStayExactInBf16) {
  const at::NoGradGuard no_grad;
  const auto plain = model();
  insert("linear", "arange.start",
         {{"start", {{"as_int", 990}}},
          {"end", {{"as_int", 1000}}},
          {"dtype", {{"as_scalar_type", 7}}}},
         "places");
  insert("places", "sub.Tensor", {{"self", tensor("places")}, {"other", {{"as_int", 990}}}},
         "first");
  insert("first", "add.Tensor", {{"self", tensor("linear")}, {"other", tensor("first")}}, "result");
  give("result");
  const auto shifted = model();
  const auto x = images().to(at::kBFloat16);
  at::Tensor results[2];
  for (const int i : {0, 1}) {
    auto& module = (i == 0 ? *plain : *shifted).module();
    module.eval();
    for (auto parameter : module.parameters()) {
      if (parameter.dim() > 1) parameter.set_data(parameter.data().to(at::kBFloat16));
    }
    results[i] = (i == 0 ? *plain : *shifted).forward(x).to(at::kFloat);
  }
  EXPECT_TRUE(
      at::allclose(results[1] - results[0], at::arange(10).to(at::kFloat).expand({4, 10}), 0, 0.1));
}

TEST_F(ExportedGraphs, ChecksOfDtypesAreLeftOut) {
  insert("relu", "_assert_tensor_metadata.default",
         {{"a", tensor("relu")}, {"dtype", {{"as_scalar_type", 7}}}}, "");
  EXPECT_EQ(refusal(), "");
}

TEST_F(ExportedGraphs, InternalOperatorsAreRefused) {
  insert("relu", "_reshape_alias.default",
         {{"self", tensor("relu")}, {"size", {{"as_ints", {9}}}}, {"stride", {{"as_ints", {9}}}}},
         "outside");
  has(refusal(), "the operator aten::_reshape_alias: it is an internal one of LibTorch");
}

TEST_F(ExportedGraphs, ABatchOfOneSizeIsRefused) {
  program_["graph_module"]["graph"]["tensor_values"]["x"]["sizes"][0] = {{"as_int", 4}};
  has(refusal(), "it takes an input of [4, 3, 32, 32]");
}

TEST_F(ExportedGraphs, ALargestBatchIsKept) {
  program_["range_constraints"].begin().value()["max_val"] = 3;
  const auto network = model();
  EXPECT_EQ(network->max_batch(), 3);
  try {
    network->forward(images());
    ADD_FAILURE() << "4 images went through";
  } catch (const Error& error) {
    has(error.what(), "was exported for at most 3 images at a time, got 4");
  }
  auto options = testing::small_run();  // nothing is run
  options.model.name = "file:" + write();
  testing::expect_misuse(
      [&] { const train::Experiment experiment(options); },
      "model: " + options.model.name +
          " was exported for at most 3 images at a time, but --batch takes 16 and "
          "--eval-batch 64; make them smaller, or export it with "
          "tools/python/export_network.py");
}

TEST_F(ExportedGraphs, ABufferThatNoCheckpointHolds) {
  records_ = testing::records_of(UNLAZY_SOURCE_DIR "/tests/models/exported/attention.pt2");
  program_ = testing::Json::parse(records_.at("models/model.json"));
  insert("", "mul_.Tensor", {{"self", tensor("b_scale")}, {"other", {{"as_float", 1.1}}}}, "more");
  has(refusal(), "changes a buffer that is in no state dict");
}

TEST_F(ExportedGraphs, ModulesThatLieTooDeep) {
  std::string name;
  for (int i = 0; i < 100; ++i) name += "a.";
  program_["graph_module"]["signature"]["input_specs"][0]["parameter"]["parameter_name"] =
      name + "w";
  has(refusal(), "lies in more than 64 modules");
}

TEST_F(ExportedGraphs, MuchOfLittle) {
  has(refusal_of_weights([](testing::Json& config) {
        auto& meta = config["fc.bias"]["tensor_meta"];
        meta["sizes"] = {{{"as_int", 1000000}}, {{"as_int", 1000000}}};
        meta["strides"] = {{{"as_int", 0}}, {{"as_int", 0}}};
      }),
      "'fc.bias' does not fit into its record");
}

TEST_F(ExportedGraphs, FractionsAreNoSizes) {
  has(refusal_of_weights([](testing::Json& config) {
        config["fc.bias"]["tensor_meta"]["strides"][0]["as_int"] = 1.9;
      }),
      "1.9 is no whole number");
}

}  // namespace
}  // namespace unlazy
