// The fused BatchNorm kernels on a GPU, as layers use them, against ATen's operators in fp64 on the
// CPU.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/error.h"
#include "models/norm.h"
#include "support/cuda.h"

#ifdef UNLAZY_HAS_CUDA
#include "cuda/norm_launch.h"
#endif

namespace unlazy::models {
namespace {

class NormOnCuda : public testing::CudaTest {
 protected:
  const c10::Device device{c10::kCUDA, 0};
};

struct Problem {
  at::Tensor x, residual, dy;  // [B, C, H, W]; residual may be undefined
  bool relu = true;
};

struct Outcome {
  at::Tensor y, dx, dresidual, dweight, dbias, mean, var, y_eval;
  int64_t num_batches_tracked = 0;
  std::string name;  // of the node of the graph
};

at::Tensor activation(const std::vector<int64_t>& sizes) {
  return at::randn(sizes).to(c10::kBFloat16).contiguous(at::MemoryFormat::ChannelsLast);
}

Problem random_problem(const std::vector<int64_t>& sizes, bool has_residual, bool relu) {
  at::manual_seed(sizes[1]);
  return {activation(sizes) + 2, has_residual ? activation(sizes) : at::Tensor(), activation(sizes),
          relu};
}

// A training pass and an evaluation of a layer.
Outcome run(const Problem& problem, const c10::Device& device, c10::ScalarType dtype) {
  Norm norm("batch", problem.x.size(1), 1);
  {
    const at::NoGradGuard no_grad;
    at::manual_seed(4);
    for (auto& parameter : norm->parameters()) parameter.add_(at::randn(parameter.sizes()), 0.5);
  }
  norm->to(device, dtype == c10::kDouble ? c10::kDouble : c10::kFloat);
  const auto leaf = [&](const at::Tensor& t) {
    return t.defined() ? t.to(device, dtype).detach().set_requires_grad(true) : t;
  };
  const auto x = leaf(problem.x), residual = leaf(problem.residual);
  Outcome out;
  const auto y = norm->forward(x, residual, problem.relu);
  out.name = y.grad_fn()->name();
  y.backward(problem.dy.to(device, dtype));
  const auto parameters = norm->named_parameters();
  const auto buffers = norm->named_buffers();
  out.y = y.detach();
  out.dx = x.grad();
  if (residual.defined()) out.dresidual = residual.grad();
  out.dweight = parameters["weight"].grad();
  out.dbias = parameters["bias"].grad();
  out.mean = buffers["running_mean"].clone();
  out.var = buffers["running_var"].clone();
  out.num_batches_tracked = buffers["num_batches_tracked"].item<int64_t>();
  norm->eval();
  const at::NoGradGuard no_grad;
  out.y_eval = norm->forward(x, residual, problem.relu);
  return out;
}

void expect_same_bits(const Outcome& a, const Outcome& b) {
  EXPECT_TRUE(at::equal(a.y, b.y));
  EXPECT_TRUE(at::equal(a.dx, b.dx));
  EXPECT_TRUE(at::equal(a.dweight, b.dweight));
  EXPECT_TRUE(at::equal(a.dbias, b.dbias));
  EXPECT_TRUE(at::equal(a.mean, b.mean));
  EXPECT_TRUE(at::equal(a.var, b.var));
}

const std::vector<std::vector<int64_t>> kSizes = {{128, 64, 16, 16}, {64, 512, 4, 4},
                                                  {5, 136, 9, 7},    {33, 3, 31, 5},
                                                  {2, 1, 1, 1},      {40, 2056, 2, 3}};

#ifdef UNLAZY_HAS_CUDA
TEST_F(NormOnCuda, TheFirstCheckPasses) { EXPECT_TRUE(cuda::norm_kernels_agree(device)); }

TEST_F(NormOnCuda, LayersUseTheKernelsAndAgreeWithTheCpuInFp64) {
  for (const auto& sizes : kSizes) {
    for (const bool has_residual : {false, true}) {
      for (const bool relu : {false, true}) {
        const auto problem = random_problem(sizes, has_residual, relu);
        const auto wanted = run(problem, c10::kCPU, c10::kDouble);
        for (const auto dtype : {c10::kFloat, c10::kBFloat16}) {
          SCOPED_TRACE(std::to_string(sizes[1]) + " channels" + (relu ? " relu" : "") +
                       (has_residual ? " residual " : " ") + c10::toString(dtype));
          const auto actual = run(problem, device, dtype);
          EXPECT_NE(actual.name.find("FusedBatchNormOnCuda"), std::string::npos) << actual.name;
          EXPECT_EQ(actual.num_batches_tracked, 1);
          const double rounding = dtype == c10::kFloat ? 1e-5 : 4e-3;
          EXPECT_LE(testing::relative_error(actual.y, wanted.y), rounding);
          EXPECT_LE(testing::relative_error(actual.y_eval, wanted.y_eval), rounding);
          EXPECT_LE(testing::relative_error(actual.mean, wanted.mean), 1e-6);
          EXPECT_LE(testing::relative_error(actual.var, wanted.var), 1e-5);
          // A value that rounds to the other side of the ReLU has another gradient.
          const double gradient = sizes[2] == 1 ? 2 : dtype == c10::kFloat ? 2e-3 : 1e-2;
          EXPECT_LE(testing::relative_error(actual.dx, wanted.dx), gradient);
          EXPECT_LE(testing::relative_error(actual.dbias, wanted.dbias), gradient);
          EXPECT_LE(testing::relative_error(actual.dweight, wanted.dweight), gradient);
          if (has_residual) {
            EXPECT_LE(testing::relative_error(actual.dresidual, wanted.dresidual), gradient);
          }
        }
      }
    }
  }
}

TEST_F(NormOnCuda, MatricesThatBeginBetweenVectorsAreReadToo) {
  const auto whole = random_problem({9, 8, 6, 6}, false, true);
  const auto wanted = run(whole, device, c10::kBFloat16);
  for (const int64_t shift : {1, 4}) {
    // Channels-last memory that begins `shift` values later.
    const auto memory = at::empty({whole.x.numel() + shift}, whole.x.options().device(device));
    const auto shifted =
        memory.narrow(0, shift, whole.x.numel()).view({9, 6, 6, 8}).permute({0, 3, 1, 2});
    shifted.copy_(whole.x);
    ASSERT_NE(reinterpret_cast<uintptr_t>(shifted.const_data_ptr()) % 16, 0u);
    auto problem = whole;
    problem.x = shifted;
    const auto actual = run(problem, device, c10::kBFloat16);
    // Another width takes sums in another order.
    EXPECT_LE(testing::relative_error(actual.y, wanted.y), 1e-3);
    EXPECT_LE(testing::relative_error(actual.dx, wanted.dx), 1e-3);
    EXPECT_LE(testing::relative_error(actual.dweight, wanted.dweight), 1e-4);
  }
}
#endif

TEST_F(NormOnCuda, TwoRunsHaveTheSameBits) {
  for (const auto& sizes : kSizes) {
    const auto problem = random_problem(sizes, true, true);
    for (const auto dtype : {c10::kFloat, c10::kBFloat16}) {
      const auto first = run(problem, device, dtype);
      for (int i = 0; i < 20; ++i) expect_same_bits(run(problem, device, dtype), first);
    }
  }
}

TEST_F(NormOnCuda, IsNotDifferentiatedTwiceUnlessOperatorsArePlain) {
  const auto x = activation({4, 8, 5, 5}).to(device, c10::kFloat).set_requires_grad(true);
  Norm norm("batch", 8, 1);
  norm->to(device);
  const auto twice = [&] {
    const auto loss = norm->forward(x).pow(3).sum();
    const auto g = torch::autograd::grad({loss}, {x}, {}, true, /*create_graph=*/true)[0];
    return torch::autograd::grad({g.pow(2).sum()}, {x})[0];
  };
  {
    const PlainOperators plain;
    EXPECT_GT(twice().norm().item<float>(), 0);
  }
#ifdef UNLAZY_HAS_CUDA
  EXPECT_THROW(twice(), Error);
#endif
}

}  // namespace
}  // namespace unlazy::models
