// Multiply-adds against sums made by hand.
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>

#include "models/model.h"
#include "prune/multiply_adds.h"

namespace unlazy {
namespace {

int64_t dense_multiply_adds(const std::string& name, c10::ScalarType dtype) {
  models::ModelOptions options;
  options.name = name;
  const auto model = models::make_model(options, {}, 0);
  const optim::FlatParameters parameters(model->module(), c10::kCPU, dtype);
  const auto positions =
      prune::output_positions(*model, parameters, at::randn({1, 3, 32, 32}).to(dtype));
  EXPECT_TRUE(model->module().is_training());
  auto layers = prune::count_layers(parameters, prune::full_mask(parameters));
  return prune::multiply_adds(layers, positions);
}

// Stem 3 x 16; 3 x 6 convolutions of 16, 32, 64 channels at 32, 16, 8 pixels, of which the first of
// a group has half the input channels; head.
TEST(MultiplyAdds, Resnet20) {
  const int64_t stem = 9 * 3 * 16 * 1024, head = 640;
  const int64_t full = 9 * 16 * 16 * 1024;  // the same in every group
  EXPECT_EQ(dense_multiply_adds("resnet20", c10::kFloat), stem + 16 * full + 2 * full / 2 + head);
  EXPECT_EQ(dense_multiply_adds("resnet20", c10::kBFloat16),
            stem + 16 * full + 2 * full / 2 + head);
}

TEST(MultiplyAdds, Resnet18HasItsKnownNumber) {
  EXPECT_NEAR(static_cast<double>(dense_multiply_adds("resnet18", c10::kFloat)), 0.5554e9, 0.5e5);
}

// Layers see a number times their weights there. Shortcuts are 3 x 3 and in every group's first
// block; widths 16, 32, 64.
TEST(MultiplyAdds, NtkParameterisation) {
  const int64_t full = 9 * 16 * 16 * 1024;
  const int64_t stem = 9 * 3 * 16 * 1024, head = 640;
  EXPECT_EQ(dense_multiply_adds("ntk-wrn", c10::kFloat),
            stem + 3 * full + 2 * (full + 2 * full / 2) + head);
}

TEST(MultiplyAdds, CountsWhatIsKept) {
  EXPECT_EQ(prune::multiply_adds({{"a", 10, 4}, {"b", 10, 0}, {"c", 2, 2}}, {100, 100, 1}), 402);
}

}  // namespace
}  // namespace unlazy
