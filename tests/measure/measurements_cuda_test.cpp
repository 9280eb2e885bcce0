// Every measurement on a GPU gives the CPU's number, in fp64. A new line in the registry is tested
// with no further line here.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <torch/nn/module.h>

#include <cmath>

#include "experiments/golden_check.h"
#include "linearise/kernel.h"
#include "linearise/layers.h"
#include "linearise/network.h"
#include "measure/measurement.h"
#include "models/model.h"
#include "models/norm.h"
#include "support/cuda.h"
#include "train/experiment.h"

namespace unlazy::measure {
namespace {

using testing::relative_error;

class MeasuredOnCuda : public testing::CudaTest {};

train::TrainOptions run_on(const std::string& device) {
  auto o = testing::small_cuda_run(device, "fp64");
  o.run.eval_batch = 20;
  o.measure.probe.samples = 24;
  o.measure.probe.probes = 3;
  o.measure.probe.lanczos_steps = 8;
  o.measure.probe.group = 4;
  return o;
}

TEST_F(MeasuredOnCuda, EveryNumberIsThatOfTheCpu) {
  train::Experiment on_cuda(run_on("cuda")), on_cpu(run_on("cpu"));
  for (int64_t step = 0; step < 4; ++step) {
    on_cuda.run_step(step);
    on_cpu.run_step(step);
  }
  for (const auto& entry : registry().entries()) {
    SCOPED_TRACE(entry.name);
    std::vector<std::pair<std::string, std::vector<double>>> got;
    ASSERT_NO_THROW(got = to_host(entry.make(on_cuda.subject())));
    const auto wanted = to_host(entry.make(on_cpu.subject()));
    ASSERT_EQ(got.size(), wanted.size());
    for (size_t i = 0; i < wanted.size(); ++i) {
      const auto& name = wanted[i].first;
      EXPECT_EQ(got[i].first, name);
      if (name.find("residual") != std::string::npos) continue;  // of the order of rounding
      for (size_t k = 0; k < wanted[i].second.size(); ++k) {
        const double number = wanted[i].second[k];
        EXPECT_NEAR(got[i].second[k], number, 1e-7 * std::abs(number) + 1e-9) << name;
      }
    }
  }
}

TEST_F(MeasuredOnCuda, TheKernelIsThatOfTheCpuAndKnowsTheSameLayers) {
  std::vector<linearise::Kernel> kernels;
  for (const std::string device : {"cpu", "cuda"}) {
    train::Experiment experiment(run_on(device));
    experiment.run_step(0);
    experiment.model().module().eval();
    const linearise::Network network(experiment.model());
    const auto images = experiment.subject().train.reader.plain_batch(data::range(0, 6));
    const auto test = experiment.subject().test.reader.plain_batch(data::range(0, 4));
    kernels.push_back(linearise::kernel(network, images, test));
    const at::AutoGradMode with_grad(true);
    const models::PlainOperators plain(models::PlainOperators::Derivatives::kForward);
    EXPECT_TRUE(linearise::find_layers(network(images), network.parameters()).others.empty())
        << device;
  }
  EXPECT_LT(relative_error(kernels[1].train, kernels[0].train), 1e-9);
  EXPECT_LT(relative_error(kernels[1].test, kernels[0].test), 1e-9);
}

TEST_F(MeasuredOnCuda, AgreesWithNeuralTangents) {
  const std::string file = UNLAZY_SOURCE_DIR "/tests/golden/neural_tangents_wrn_n1_k1.safetensors";
  for (const auto dtype : {c10::kDouble, c10::kFloat}) {
    for (const auto& error : experiments::check_golden(file, {c10::Device(c10::kCUDA, 0), dtype}))
      EXPECT_TRUE(error.is_close) << error.name << " " << error.by_entry;
  }
}

}  // namespace
}  // namespace unlazy::measure
