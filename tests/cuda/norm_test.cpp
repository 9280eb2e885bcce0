// The BatchNorm kernels by emulation, against ATen's operators in fp64.
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/native_batch_norm.h>
#include <ATen/ops/native_batch_norm_backward.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "core/bf16_bits.h"
#include "support/cuda_emulation.h"
// After the emulation, whose macros it needs.
#include "cuda/norm_kernels.h"

namespace unlazy::cuda {
namespace {

using testing::Order;
using testing::run_kernel;

constexpr double kEps = 1e-5, kMomentum = 0.25;

struct Inputs {
  at::Tensor x, residual, dy;  // [rows, C]; residual may be undefined
  at::Tensor weight, bias;     // [C] Float
  bool relu = true;
};

struct Outputs {
  at::Tensor y, dx, dresidual, dweight, dbias, mean, invstd, running_mean, running_var;
  int64_t num_batches_tracked = 0;
};

Inputs random_inputs(int64_t rows, int64_t channels, bool has_residual, bool relu) {
  at::manual_seed(rows + channels);
  // Means of up to 25, far from 0 beside the deviation.
  const auto offsets = at::arange(channels, at::kFloat).remainder(16) * 3 - 20;
  return {at::randn({rows, channels}) * 0.5 + offsets,
          has_residual ? at::randn({rows, channels}) : at::Tensor(),
          at::randn({rows, channels}),
          at::randn({channels}),
          at::randn({channels}),
          relu};
}

Inputs converted(const Inputs& in, c10::ScalarType dtype) {
  Inputs out = in;
  for (auto* t : {&out.x, &out.residual, &out.dy}) {
    if (t->defined()) *t = t->to(dtype);
  }
  return out;
}

testing::Launch launch(const NormLayout& layout, Order order) {
  return {{layout.tiles, layout.row_blocks}, {kNormThreads}, order, 3};
}

float* floats(const at::Tensor& t) { return t.mutable_data_ptr<float>(); }

// A forward and a backward pass as norm_launch.cpp and norm.cu do them.
template <class T, int width>
Outputs run(const Inputs& in, Order order = Order::kUp) {
  const NormShape shape{in.x.size(0), in.x.size(1)};
  const auto options = in.weight.options();
  const auto channels = [&](double value) { return at::full({shape.channels}, value, options); };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  Outputs out{at::empty_like(in.x), at::empty_like(in.x), {},          channels(nan), channels(nan),
              channels(nan),        channels(nan),        channels(0), channels(1),   6};
  const auto sums = norm_sum_layout(shape.rows, shape.channels, width),
             map = norm_map_layout(shape.rows, shape.channels, width);
  const auto partials = at::full({sums.row_blocks, 2, shape.channels}, nan, options);
  std::vector<unsigned> tickets(sums.tiles, 0);
  const NormScratch scratch{floats(partials), tickets.data()};

  NormStatisticsArguments s{};
  s.x = in.x.const_data_ptr();
  s.shape = shape;
  s.scratch = scratch;
  s.mean = floats(out.mean);
  s.invstd = floats(out.invstd);
  s.running_mean = floats(out.running_mean);
  s.running_var = floats(out.running_var);
  s.num_batches_tracked = &out.num_batches_tracked;
  s.momentum = kMomentum;
  s.eps = kEps;
  run_kernel(launch(sums, order), [&] { norm_statistics_kernel<T, width>(s, sums.lanes); });
  EXPECT_EQ(tickets, std::vector<unsigned>(sums.tiles, 0));

  NormApplyArguments a{};
  a.x = s.x;
  a.residual = in.residual.defined() ? in.residual.const_data_ptr() : nullptr;
  a.shape = shape;
  a.mean = s.mean;
  a.invstd = s.invstd;
  a.weight = floats(in.weight);
  a.bias = floats(in.bias);
  a.relu = in.relu;
  a.y = out.y.mutable_data_ptr();
  run_kernel(launch(map, order), [&] { norm_apply_kernel<T, width>(a, map.lanes); });

  NormGradientArguments g{};
  g.dy = in.dy.const_data_ptr();
  g.x = s.x;
  g.shape = shape;
  g.scratch = scratch;
  g.mean = s.mean;
  g.invstd = s.invstd;
  g.weight = a.weight;
  g.bias = a.bias;
  g.dweight = floats(out.dweight);
  g.dbias = floats(out.dbias);
  g.dx = out.dx.mutable_data_ptr();
  if (in.relu && in.residual.defined()) {
    out.dresidual = at::empty_like(in.x);
    g.y = a.y;
    g.masked = out.dresidual.mutable_data_ptr();
    run_kernel(launch(sums, order),
               [&] { norm_gradient_sums_kernel<T, width, NormMask::kOutput>(g, sums.lanes); });
    g.dy = g.masked;
    g.y = nullptr;
  } else if (in.relu) {
    run_kernel(launch(sums, order),
               [&] { norm_gradient_sums_kernel<T, width, NormMask::kInput>(g, sums.lanes); });
    run_kernel(launch(map, order),
               [&] { norm_gradient_kernel<T, width, NormMask::kInput>(g, map.lanes); });
    EXPECT_EQ(tickets, std::vector<unsigned>(sums.tiles, 0));
    return out;
  } else {
    run_kernel(launch(sums, order),
               [&] { norm_gradient_sums_kernel<T, width, NormMask::kNone>(g, sums.lanes); });
  }
  run_kernel(launch(map, order),
             [&] { norm_gradient_kernel<T, width, NormMask::kNone>(g, map.lanes); });
  EXPECT_EQ(tickets, std::vector<unsigned>(sums.tiles, 0));
  return out;
}

// The same by ATen's operators in fp64, with the mask of `y`.
Outputs reference(const Inputs& in, const at::Tensor& y) {
  const auto wide = [](const at::Tensor& t) { return t.to(at::kDouble); };
  const auto x = wide(in.x), weight = wide(in.weight);
  Outputs out;
  out.running_mean = at::zeros({x.size(1)}, at::kDouble);
  out.running_var = at::ones({x.size(1)}, at::kDouble);
  std::tie(out.y, out.mean, out.invstd) = at::native_batch_norm(
      x, weight, wide(in.bias), out.running_mean, out.running_var, true, kMomentum, kEps);
  if (in.residual.defined()) out.y = out.y + wide(in.residual);
  if (in.relu) out.y = at::relu(out.y);
  const auto dy = wide(in.dy);
  const auto g = in.relu ? at::where(y > 0, dy, at::zeros_like(dy)) : dy;
  std::tie(out.dx, out.dweight, out.dbias) =
      at::native_batch_norm_backward(g, x, weight, out.running_mean, out.running_var, out.mean,
                                     out.invstd, true, kEps, {true, true, true});
  if (in.relu && in.residual.defined()) out.dresidual = g;
  return out;
}

void expect_near(const at::Tensor& actual, const at::Tensor& expected, double tolerance,
                 const std::string& what) {
  ASSERT_EQ(actual.defined(), expected.defined()) << what;
  if (!actual.defined()) return;
  const double difference =
      (actual.to(at::kDouble) - expected.to(at::kDouble)).abs().max().item<double>();
  EXPECT_LE(difference, tolerance * (expected.abs().max().item<double>() + 1e-3)) << what;
}

struct Case {
  int64_t rows, channels;
  bool has_residual, relu;
};

template <int width>
std::vector<Case> cases() {
  std::vector<Case> list;
  // The last shape has several tiles of channels, and others several blocks of rows.
  for (const auto& [rows, groups] :
       std::vector<std::pair<int64_t, int64_t>>{{2, 1}, {2100, 1}, {7, 3}, {401, 5}, {300, 37}}) {
    list.push_back({rows, groups * width, false, false});
    list.push_back({rows, groups * width, false, true});
    list.push_back({rows, groups * width, true, false});
    list.push_back({rows, groups * width, true, true});
  }
  return list;
}

template <int width>
void expect_like_aten() {
  for (const auto& c : cases<width>()) {
    SCOPED_TRACE(std::to_string(c.rows) + " x " + std::to_string(c.channels) +
                 (c.has_residual ? " residual" : "") + (c.relu ? " relu" : ""));
    const auto in = random_inputs(c.rows, c.channels, c.has_residual, c.relu);
    const auto out = run<float, width>(in);
    const auto wanted = reference(in, out.y);
    // A mean of 25 with a deviation of 0.5 costs 6 bits of 24; two rows may differ by less.
    const double tolerance = c.rows == 2 ? 2e-3 : 5e-5;
    expect_near(out.y, wanted.y, tolerance, "y");
    expect_near(out.dresidual, wanted.dresidual, 0, "dresidual");
    expect_near(out.mean, wanted.mean, 1e-6, "mean");
    expect_near(out.invstd, wanted.invstd, 1e-5, "invstd");
    expect_near(out.running_mean, wanted.running_mean, 1e-6, "running mean");
    expect_near(out.running_var, wanted.running_var, 1e-5, "running variance");
    expect_near(out.dweight, wanted.dweight, tolerance, "dweight");
    expect_near(out.dbias, wanted.dbias, 1e-5, "dbias");
    if (c.rows > 2) expect_near(out.dx, wanted.dx, 2e-5, "dx");
    EXPECT_EQ(out.num_batches_tracked, 7);
  }
}

TEST(CudaNorm, OneChannelAThreadIsAtensBatchNorm) { expect_like_aten<1>(); }
TEST(CudaNorm, FourChannelsAThreadAreAtensBatchNorm) { expect_like_aten<4>(); }

// With values that a bf16 holds, the kernels differ by the last rounding alone.
template <int width>
void expect_rounding_only() {
  for (const auto& c : cases<width>()) {
    SCOPED_TRACE(std::to_string(c.rows) + " x " + std::to_string(c.channels));
    const auto low =
        converted(random_inputs(c.rows, c.channels, c.has_residual, c.relu), at::kBFloat16);
    const auto high = converted(low, at::kFloat);
    const auto actual = run<Bf16, width>(low), exact = run<float, width>(high);
    EXPECT_TRUE(at::equal(actual.y, exact.y.to(at::kBFloat16)));
    EXPECT_TRUE(at::equal(actual.dx, exact.dx.to(at::kBFloat16)));
    EXPECT_TRUE(at::equal(actual.dweight, exact.dweight));
    EXPECT_TRUE(at::equal(actual.dbias, exact.dbias));
    EXPECT_TRUE(at::equal(actual.running_var, exact.running_var));
    EXPECT_EQ(actual.dresidual.defined(), c.has_residual && c.relu);
    if (actual.dresidual.defined()) {
      EXPECT_TRUE(at::equal(actual.dresidual.to(at::kFloat), exact.dresidual));
    }
  }
}

TEST(CudaNorm, Bf16DiffersByTheLastRoundingAlone) {
  expect_rounding_only<1>();
  expect_rounding_only<8>();
}

TEST(CudaNorm, TheOrderOfThreadsAndBlocksDoesNotMatter) {
  for (const auto& c : cases<4>()) {
    const auto in = random_inputs(c.rows, c.channels, c.has_residual, c.relu);
    const auto up = run<float, 4>(in);
    for (const auto order : {Order::kDown, Order::kShuffled}) {
      const auto other = run<float, 4>(in, order);
      EXPECT_TRUE(at::equal(up.y, other.y));
      EXPECT_TRUE(at::equal(up.dx, other.dx));
      EXPECT_TRUE(at::equal(up.dweight, other.dweight));
      EXPECT_TRUE(at::equal(up.dbias, other.dbias));
      EXPECT_TRUE(at::equal(up.running_mean, other.running_mean));
      EXPECT_TRUE(at::equal(up.running_var, other.running_var));
    }
  }
}

TEST(CudaNorm, StatisticsStayAccurateFarFromZero) {
  auto in = random_inputs(3000, 3, false, true);
  in.x = at::randn({3000, 3}) + 10000;
  const auto out = run<float, 1>(in);
  expect_near(out.invstd, reference(in, out.y).invstd, 1e-5, "invstd");
}

TEST(CudaNorm, NonFiniteInputStaysVisible) {
  auto in = random_inputs(300, 8, false, true);
  in.x[170][3] = std::numeric_limits<float>::quiet_NaN();
  const auto y = run<float, 4>(in).y;
  EXPECT_TRUE(y.select(1, 3).isnan().all().item<bool>());
  EXPECT_EQ(y.isnan().sum().item<int64_t>(), 300);
}

TEST(CudaNorm, FrozenStatisticsStay) {
  const auto in = random_inputs(300, 8, false, true);
  const auto out = run<float, 4>(in);
  const auto layout = norm_sum_layout(300, 8, 4);
  const auto partials = at::zeros({layout.row_blocks, 2, 8});
  const auto mean = at::zeros({8}), invstd = at::zeros({8});
  std::vector<unsigned> tickets(layout.tiles, 0);
  const NormStatisticsArguments s{in.x.const_data_ptr(),
                                  {300, 8},
                                  {floats(partials), tickets.data()},
                                  floats(mean),
                                  floats(invstd),
                                  nullptr,
                                  nullptr,
                                  nullptr,
                                  0,
                                  kEps};
  run_kernel(launch(layout, Order::kUp),
             [&] { norm_statistics_kernel<float, 4>(s, layout.lanes); });
  EXPECT_TRUE(at::equal(mean, out.mean));
  EXPECT_TRUE(at::equal(invstd, out.invstd));
}

TEST(CudaNorm, EvaluationTakesTheRunningStatistics) {
  for (const bool has_residual : {false, true}) {
    const auto in = random_inputs(301, 12, has_residual, true);
    const auto mean = at::randn({12}) - 2, variance = at::randn({12}).abs() + 0.5;
    auto y = at::empty_like(in.x);
    const auto layout = norm_map_layout(301, 12, 4);
    NormApplyArguments a{};
    a.x = in.x.const_data_ptr();
    a.residual = has_residual ? in.residual.const_data_ptr() : nullptr;
    a.shape = {301, 12};
    a.mean = floats(mean);
    a.variance = floats(variance);
    a.weight = floats(in.weight);
    a.bias = floats(in.bias);
    a.eps = kEps;
    a.relu = true;
    a.y = y.mutable_data_ptr();
    run_kernel(launch(layout, Order::kUp), [&] { norm_apply_kernel<float, 4>(a, layout.lanes); });
    auto wanted = std::get<0>(at::native_batch_norm(in.x.to(at::kDouble), in.weight.to(at::kDouble),
                                                    in.bias.to(at::kDouble), mean.to(at::kDouble),
                                                    variance.to(at::kDouble), false, 0, kEps));
    if (has_residual) wanted = wanted + in.residual;
    expect_near(y, at::relu(wanted), 1e-6, "y");
  }
}

TEST(CudaNorm, TheLayoutCoversTheMatrixAndKeepsTilesSmall) {
  for (const int64_t width : {1, 4, 8}) {
    for (const int64_t groups : {1, 2, 3, 8, 17, 33, 256, 5000}) {
      for (const int64_t rows : {2, 100, 1 << 20}) {
        const auto layout = norm_sum_layout(rows, groups * width, width);
        EXPECT_GE(int64_t{layout.lanes} * layout.tiles, groups);
        EXPECT_EQ(kNormThreads % (layout.lanes * width), 0);
        EXPECT_LE(layout.lanes * width, kNormThreads / 2);
        EXPECT_GE(layout.row_blocks, 1u);
        EXPECT_LE(layout.row_blocks * layout.tiles, std::max(256u, layout.tiles));
      }
    }
  }
}

}  // namespace
}  // namespace unlazy::cuda
