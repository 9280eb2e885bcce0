// Choosing device, precision and threads.
#include "core/device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "support/expect_error.h"

namespace unlazy {
namespace {

using testing::expect_misuse;

TEST(Device, RefusesOtherWords) {
  for (const std::string name :
       {"gpu", "", "CPU", "cuda:", "cuda:x", "cuda:-1", "cuda:1000000000000", "cuda0"}) {
    expect_misuse([&] { resolve({.device = name}); },
                  "--device must be auto, cpu, cuda or cuda:N, got '" + name + "'");
  }
}

TEST(Device, RefusesADeviceThatIsNotThere) {
  if (at::hasCUDA()) {
    const auto count = std::to_string(at::getNumGPUs());
    expect_misuse([] { resolve({.device = "cuda:99"}); },
                  "--device cuda:99: there are " + count + " CUDA devices, numbered from 0");
  } else {
    for (const std::string name : {"cuda", "cuda:1"}) {
      expect_misuse(
          [&] { resolve({.device = name}); },
          "--device " + name +
              ": this build of unlazy or this machine has no CUDA device; use --device cpu");
    }
  }
}

TEST(Device, AutoTakesWhatIsThere) {
  EXPECT_EQ(resolve({.device = "auto"}).device.is_cuda(), at::hasCUDA());
  EXPECT_TRUE(resolve({.device = "cpu"}).device.is_cpu());
}

TEST(Precision, IsTheOneAskedFor) {
  const auto dtype = [](const std::string& name) {
    return resolve({.device = "cpu", .precision = name}).dtype;
  };
  EXPECT_EQ(dtype("fp32"), c10::kFloat);
  EXPECT_EQ(dtype("fp64"), c10::kDouble);
  EXPECT_EQ(dtype("bf16"), c10::kBFloat16);
  const auto features = cpu_features();
  const bool is_fast = std::find(features.begin(), features.end(), "avx512_bf16") != features.end();
  EXPECT_EQ(dtype("auto"), is_fast ? c10::kBFloat16 : c10::kFloat);
  for (const std::string name : {"fp32", "fp64", "bf16"})
    EXPECT_EQ(precision_name(dtype(name)), name);
}

TEST(Threads, AreSetAndZeroIsTheDefault) {
  resolve({.device = "cpu", .threads = 2});
  EXPECT_EQ(at::get_num_threads(), 2);
  resolve({.device = "cpu", .threads = 0});
  EXPECT_EQ(at::get_num_threads(), at::intraop_default_num_threads());
}

TEST(Threads, MoreThanTheMachineCanRunAreRefused) {
  const auto cores = std::thread::hardware_concurrency();
  const auto most = std::max(16u, 4 * cores);
  resolve({.device = "cpu", .threads = most});
  expect_misuse([&] { resolve({.device = "cpu", .threads = most + 1}); },
                internal::concat("--threads ", most + 1, ": this machine has ", cores,
                                 " cores, where more than ", most,
                                 " threads would only wait for each other; give --threads ", cores,
                                 " or less, or 0 for all cores"));
  resolve({.device = "cpu", .threads = 0});
}

TEST(Deterministic, ReachesLibTorch) {
  resolve({.device = "cpu", .deterministic = true});
  EXPECT_TRUE(at::globalContext().deterministicAlgorithms());
  EXPECT_FALSE(at::globalContext().benchmarkCuDNN());
  resolve({.device = "cpu"});
  EXPECT_FALSE(at::globalContext().deterministicAlgorithms());
  EXPECT_TRUE(at::globalContext().benchmarkCuDNN());
}

TEST(Deterministic, LeavesNewTensorsAsTheyAre) {
  resolve({.device = "cpu", .deterministic = true});
  EXPECT_FALSE(at::globalContext().deterministicFillUninitializedMemory());
  resolve({.device = "cpu"});
}

TEST(Tf32, IsForAGpuAndOffUnlessAskedFor) {
  resolve({.device = "cpu", .tf32 = true});
  EXPECT_FALSE(at::globalContext().allowTF32CuDNN());
  EXPECT_FALSE(at::globalContext().allowTF32CuBLAS());
  if (!at::hasCUDA()) return;
  resolve({.device = "cuda", .tf32 = true});
  EXPECT_TRUE(at::globalContext().allowTF32CuDNN());
  EXPECT_TRUE(at::globalContext().allowTF32CuBLAS());
  resolve({.device = "cuda"});
  EXPECT_FALSE(at::globalContext().allowTF32CuDNN());
}

TEST(Compute, OptionsAreChecked) {
  ComputeOptions choice;
  Options options("train", {describe(choice)});
  expect_misuse(
      [&] {
        options.parse({"--precision", "fp16"});
      },
      "--precision: there is no 'fp16'; did you mean 'fp32'?");
  expect_misuse([&] { options.parse({"--threads", "-1"}); }, "--threads must be >= 0, got -1");
  options.parse({"--device", "cuda:1", "--precision=bf16", "--threads", "3", "--deterministic"});
  EXPECT_EQ(choice.device, "cuda:1");
  EXPECT_EQ(choice.precision, "bf16");
  EXPECT_EQ(choice.threads, 3);
  EXPECT_TRUE(choice.deterministic);
}

}  // namespace
}  // namespace unlazy
