// Winograd's convolution against the direct one, and when networks take it.
#include "models/winograd.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>

#include "models/model.h"

namespace unlazy::models {
namespace {

at::Tensor channels_last(const at::Tensor& x) {
  return x.contiguous(at::MemoryFormat::ChannelsLast);
}

double largest(const at::Tensor& x) { return x.abs().max().item<double>(); }

// Sides that are no multiples of a tile, one tile, and more tiles than a block.
TEST(Winograd, IsTheConvolution) {
  const at::NoGradGuard no_grad;
  struct Case {
    int64_t batch, in, out, height, width;
  };
  for (const auto& c : {Case{3, 64, 80, 4, 4}, Case{2, 64, 64, 9, 7}, Case{40, 64, 64, 8, 8},
                        Case{1, 512, 64, 5, 6}}) {
    const auto x = channels_last(at::randn({c.batch, c.in, c.height, c.width}));
    const auto w = at::randn({c.out, c.in, 3, 3});
    ASSERT_TRUE(can_use_winograd(x, w));
    const auto exact = at::conv2d(x.to(c10::kDouble), w.to(c10::kDouble), {}, 1, 1);
    const auto direct = at::conv2d(x, w, {}, 1, 1), fast = winograd_conv(x, winograd_weights(w));
    ASSERT_EQ(fast.sizes(), direct.sizes());
    EXPECT_TRUE(fast.is_contiguous(at::MemoryFormat::ChannelsLast));
    EXPECT_LT(largest(fast - exact), 3e-5 * largest(exact)) << c.in << " " << c.height;
  }
}

TEST(Winograd, ServesWhatItCan) {
  const auto w = at::randn({64, 64, 3, 3});
  const auto x = channels_last(at::randn({1, 64, 4, 4}));
  EXPECT_TRUE(can_use_winograd(x, w));
  EXPECT_FALSE(can_use_winograd(x.contiguous(), w));
  EXPECT_FALSE(can_use_winograd(x.to(c10::kBFloat16), w.to(c10::kBFloat16)));
  EXPECT_FALSE(can_use_winograd(x, at::randn({64, 64, 1, 1})));
  EXPECT_FALSE(can_use_winograd(channels_last(at::randn({1, 64, 2, 2})), w));
  EXPECT_FALSE(
      can_use_winograd(channels_last(at::randn({1, 16, 4, 4})), at::randn({16, 16, 3, 3})));
}

// Weights that are made for the call, as scaled ones are, may lie where others lay before.
TEST(Winograd, TemporaryWeightsAreNotMistaken) {
  const at::NoGradGuard no_grad;
  const auto x = channels_last(at::randn({1, 64, 4, 4})), w = at::randn({64, 64, 3, 3});
  const FastConvolutions guard;
  for (const double scale : {1.0, 2.0, 3.0}) {
    const auto y = conv2d(x, w * scale, {}, 1, 1);
    const auto expected = at::conv2d(x, w * scale, {}, 1, 1);
    EXPECT_LT(largest(y - expected), 3e-5 * largest(expected)) << scale;
  }
}

TEST(Winograd, NetworksTakeItOnlyWhenAskedAndWithoutGradients) {
  ModelOptions options;
  options.name = "resnet18";
  const auto model = make_model(options, {}, 1);
  model->module().eval();
  for (auto& p : model->module().parameters())
    if (p.dim() == 4) p.set_data(channels_last(p.data()));
  const auto x = channels_last(at::randn({4, 3, 32, 32}));
  at::Tensor plain, fast, recorded;
  {
    const at::NoGradGuard no_grad;
    plain = model->forward(x);
    const FastConvolutions guard;
    fast = model->forward(x);
  }
  {
    const FastConvolutions guard;
    recorded = model->forward(x).detach();
  }
  EXPECT_FALSE(at::equal(plain, fast));
  EXPECT_LT(largest(plain - fast), 1e-5 * largest(plain));
  EXPECT_LT(largest(plain - recorded), 1e-6 * largest(plain));
  const at::NoGradGuard no_grad;
  EXPECT_TRUE(at::equal(model->forward(x), plain));
}

}  // namespace
}  // namespace unlazy::models
