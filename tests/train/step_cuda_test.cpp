// The training step on a GPU: as a graph and step by step, and against the CPU.
#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <optional>

#include "core/files.h"
#include "support/cuda.h"
#include "support/optimizers.h"
#include "support/scratch_folder.h"
#include "train/experiment.h"
#include "train/loop.h"
#include "train/saved_run.h"

#ifdef UNLAZY_HAS_CUDA
#include "cuda/step_graph.h"
#endif

namespace unlazy::train {
namespace {

using testing::relative_error;
using testing::small_cuda_run;

class StepOnCuda : public testing::CudaTest {};

std::vector<std::pair<std::string, at::Tensor>> after(const TrainOptions& options, int64_t steps) {
  Experiment experiment(options);
  for (int64_t step = 0; step < steps; ++step) experiment.run_step(step);
  EXPECT_EQ(experiment.step().graph_problem(), "");
  if (steps >= 20) {  // enough to be warm
    EXPECT_EQ(experiment.step().is_captured(), options.run.cuda_graph);
  }
  auto tensors = experiment.named_tensors();
  for (auto& tensor : experiment.optimizer().state()) tensors.push_back(tensor);
  // The last of them is infinite while no step was bad.
  const auto sums = experiment.step().sums();
  tensors.emplace_back("sums", sums.narrow(0, 0, sums.numel() - 1));
  for (auto& [name, tensor] : tensors) tensor = tensor.cpu();
  return tensors;
}

// An epoch has two whole batches and a smaller one, which is not in the graph. With SAM at every
// second step there are two graphs.
TEST_F(StepOnCuda, AGraphGivesTheBitsOfSingleOperations) {
  for (const std::string optimizer : {"sgd", "adamw", "sam", "asam", "gsam", "sam_adamw"}) {
    for (const std::string precision : {"fp32", "bf16", "fp64"}) {
      SCOPED_TRACE(optimizer + " " + precision);
      auto o = small_cuda_run("cuda", precision);
      testing::choose_optimizer(o.optimizer, optimizer);
      o.optimizer.sharpness.interval = 2;
      o.compute.deterministic = true;
      const auto by_graph = after(o, 20);
      o.run.cuda_graph = false;
      const auto by_operation = after(o, 20);
      ASSERT_EQ(by_graph.size(), by_operation.size());
      for (size_t i = 0; i < by_graph.size(); ++i)
        EXPECT_TRUE(at::equal(by_graph[i].second, by_operation[i].second)) << by_graph[i].first;
    }
  }
}

TEST_F(StepOnCuda, EqualsTheCpuInDoublePrecision) {
  for (const std::string optimizer : {"sgd", "sam", "gsam"}) {
    SCOPED_TRACE(optimizer);
    auto o = small_cuda_run("cuda", "fp64");
    testing::choose_optimizer(o.optimizer, optimizer);
    const auto on_cuda = after(o, 8);
    o.compute.device = "cpu";
    const auto on_cpu = after(o, 8);
    for (size_t i = 0; i < on_cpu.size(); ++i)
      EXPECT_LT(relative_error(on_cuda[i].second, on_cpu[i].second), 1e-9) << on_cpu[i].first;
  }
}

TEST_F(StepOnCuda, Bf16IsCloseToFp32) {
  auto o = small_cuda_run("cuda", "bf16");
  const auto low = after(o, 8);
  o.compute.precision = "fp32";
  const auto high = after(o, 8);
  for (size_t i = 0; i < high.size(); ++i) {
    if (high[i].first != "sums") continue;
    const double loss = high[i].second[1].item<double>();
    EXPECT_NEAR(low[i].second[1].item<double>(), loss, 0.05 * loss);
  }
}

TEST_F(StepOnCuda, AResumedRunEqualsTheUninterruptedOneBitForBit) {
  const testing::ScratchFolder scratch;
  auto o = small_cuda_run("cuda", "fp32");
  o.compute.deterministic = true;
  o.run.out = scratch / "whole";
  o.run.max_steps = 21;
  EXPECT_EQ(run_training(o, {}), Outcome::kDone);
  o.run.out = scratch / "parts";
  // The step after the interruption is that of the smaller batch.
  Hooks hooks;
  hooks.should_stop = [left = std::make_shared<int>(8)] { return --*left == 0; };
  EXPECT_EQ(run_training(o, hooks), Outcome::kInterrupted);
  o.run.resume = true;
  EXPECT_EQ(run_training(o, {}), Outcome::kDone);
  for (const char* name : {"/checkpoints/00000021/model.safetensors",
                           "/checkpoints/00000021/state.safetensors", "/metrics.csv"}) {
    EXPECT_EQ(read_file(scratch / "whole" + name), read_file(scratch / "parts" + name)) << name;
  }
}

#ifdef UNLAZY_HAS_CUDA
TEST_F(StepOnCuda, AFailedCaptureGoesOnStepByStep) {
  const auto device = c10::Device(c10::kCUDA, 0);
  const auto options = at::TensorOptions(device).dtype(c10::kDouble);
  cuda::StepGraph graph(device);
  auto sum = at::zeros({}, options);
  auto other = at::zeros({}, options);
  for (int step = 1; step <= 8; ++step) {
    const auto host = at::full({2}, step, at::TensorOptions().dtype(c10::kDouble)).pin_memory();
    graph.run(0, host, [&](const at::Tensor& block) {
      sum.add_(block.sum().item<double>());  // waits, which no graph can
    });
    graph.run(1, host, [&](const at::Tensor& block) { other.add_(block.sum()); });
  }
  EXPECT_NE(graph.problem(), "");
  EXPECT_FALSE(graph.is_captured(0));
  EXPECT_TRUE(graph.is_captured(1));
  EXPECT_EQ(sum.item<double>(), 72);
  EXPECT_EQ(other.item<double>(), 72);
}

TEST_F(StepOnCuda, TheUsualShapeIsCapturedAlsoWhenASmallerOneComesFirst) {
  const auto device = c10::Device(c10::kCUDA, 0);
  const auto options = at::TensorOptions(device).dtype(c10::kDouble);
  cuda::StepGraph graph(device);
  auto sum = at::zeros({}, options);
  const auto run = [&](int64_t size) {
    const auto host = at::full({size}, 1.0, at::TensorOptions().dtype(c10::kDouble)).pin_memory();
    graph.run(0, host, [&](const at::Tensor& block) { sum.add_(block.sum()); });
  };
  for (const int64_t size : {3, 8, 8, 8}) run(size);
  EXPECT_FALSE(graph.is_captured(0));
  for (const int64_t size : {8, 3, 8}) run(size);
  EXPECT_TRUE(graph.is_captured(0));
  EXPECT_EQ(graph.num_kernels(0), 2);
  EXPECT_EQ(sum.item<double>(), 3 + 24 + 8 + 3 + 8);
}
#endif

}  // namespace
}  // namespace unlazy::train
