// The layers on dual numbers against LibTorch's own forward derivatives.
#include "models/dual_layers.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <functional>
#include <string>
#include <vector>

#include "linearise/leaves.h"
#include "models/norm.h"

namespace unlazy::models {
namespace {

const auto kDouble = at::TensorOptions().dtype(c10::kDouble);

double relative(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / b.norm()).item<double>();
}

// Value, tangent and the gradients of <tangent, c> in the tangents that were put in.
struct Derivatives {
  at::Tensor value, tangent;
  std::vector<at::Tensor> gradients;
};

Derivatives derivatives(const std::vector<at::Tensor>& values,
                        const std::vector<at::Tensor>& tangents, const at::Tensor& c,
                        const std::function<at::Tensor(const std::vector<at::Tensor>&)>& layer) {
  std::vector<at::Tensor> inputs, leaves;
  for (const auto& tangent : tangents) leaves.push_back(tangent.clone().requires_grad_());
  at::Tensor value, tangent;
  {
    const linearise::DualLevel level;
    for (size_t i = 0; i < values.size(); ++i) {
      inputs.push_back(values[i].clone());
      level.set_tangent(inputs[i], leaves[i]);
    }
    const auto y = layer(inputs);
    value = y.detach().clone();
    tangent = y._fw_grad(level.number());
  }
  return {value, tangent.detach(), torch::autograd::grad({(tangent * c).sum()}, leaves)};
}

void expect_same(const Derivatives& ours, const Derivatives& reference) {
  EXPECT_LT(relative(ours.value, reference.value), 1e-13);
  EXPECT_LT(relative(ours.tangent, reference.tangent), 1e-12);
  for (size_t i = 0; i < reference.gradients.size(); ++i)
    EXPECT_LT(relative(ours.gradients[i], reference.gradients[i]), 1e-12) << i;
}

class DualLayers : public ::testing::TestWithParam<at::MemoryFormat> {
 protected:
  DualLayers() { at::manual_seed(5); }
  at::Tensor image(at::IntArrayRef shape) const {
    return at::randn(shape, kDouble).contiguous(GetParam());
  }
};

TEST_P(DualLayers, Convolution) {
  for (const int64_t stride : {1, 2}) {
    const std::vector<at::Tensor> values = {image({3, 4, 7, 7}), image({5, 4, 3, 3}),
                                            at::randn({5}, kDouble)};
    const std::vector<at::Tensor> tangents = {image({3, 4, 7, 7}), image({5, 4, 3, 3}),
                                              at::randn({5}, kDouble)};
    const auto c = at::randn({3, 5, stride == 1 ? 7 : 4, stride == 1 ? 7 : 4}, kDouble);
    expect_same(derivatives(values, tangents, c,
                            [&](const auto& in) {
                              EXPECT_TRUE(is_dual_at_constants({in[0], in[1], in[2]}));
                              return dual_conv2d(in[0], in[1], in[2], stride, 1);
                            }),
                derivatives(values, tangents, c, [&](const auto& in) {
                  return at::conv2d(in[0], in[1], in[2], stride, 1);
                }));
  }
}

// Against the formula, taken apart into operators that LibTorch differentiates.
TEST_P(DualLayers, GroupNorm) {
  const std::vector<at::Tensor> values = {image({3, 6, 5, 5}), at::randn({6}, kDouble),
                                          at::randn({6}, kDouble)};
  const std::vector<at::Tensor> tangents = {image({3, 6, 5, 5}), at::randn({6}, kDouble),
                                            at::randn({6}, kDouble)};
  const auto c = at::randn({3, 6, 5, 5}, kDouble);
  const double eps = 1e-5;
  expect_same(
      derivatives(values, tangents, c,
                  [&](const auto& in) { return dual_group_norm(in[0], in[1], in[2], 3, eps); }),
      derivatives(values, tangents, c, [&](const auto& in) {
        const auto grouped = in[0].contiguous().view({3, 3, -1});
        const auto centered = grouped - grouped.mean({2}, true);
        const auto deviation = (centered.square().mean({2}, true) + eps).sqrt();
        return (centered / deviation).view({3, 6, 5, 5}) * in[1].view({1, -1, 1, 1}) +
               in[2].view({1, -1, 1, 1});
      }));
}

INSTANTIATE_TEST_SUITE_P(Formats, DualLayers,
                         ::testing::Values(at::MemoryFormat::Contiguous,
                                           at::MemoryFormat::ChannelsLast),
                         [](const auto& format) {
                           return format.param == at::MemoryFormat::Contiguous
                                      ? std::string("Contiguous")
                                      : std::string("ChannelsLast");
                         });

TEST(DualLayersUse, OnlyWhereTheValuesAreConstants) {
  const auto x = at::randn({2, 3}, kDouble);
  EXPECT_FALSE(is_dual_at_constants({x, at::Tensor()}));
  const linearise::DualLevel level;
  level.set_tangent(x, at::randn({2, 3}, kDouble));
  EXPECT_TRUE(is_dual_at_constants({x, at::Tensor()}));
  EXPECT_FALSE(is_dual_at_constants({x, at::randn({2}, kDouble).requires_grad_()}));
  const at::NoGradGuard no_grad;
  EXPECT_TRUE(is_dual_at_constants({x, at::randn({2}, kDouble).requires_grad_()}));
}

}  // namespace
}  // namespace unlazy::models
