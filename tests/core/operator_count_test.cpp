// The count of operators, against what LibTorch is known to run.
#include "core/operator_count.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_foreach_copy.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include <vector>

namespace unlazy {
namespace {

TEST(OperatorCount, CountsWhatDoesWork) {
  const auto a = at::ones({4, 6});
  EXPECT_EQ(operators_of([] {}), 0);
  EXPECT_EQ(operators_of([&] { static_cast<void>(a + a); }), 1);
  EXPECT_EQ(operators_of([&] { static_cast<void>(a.view({6, 4}).t().narrow(0, 1, 2)); }), 0);
  EXPECT_EQ(operators_of([&] { static_cast<void>(a.t().contiguous()); }), 1);  // a copy
  EXPECT_EQ(operators_of([&] { static_cast<void>(a.to(at::kDouble) * 2); }), 2);
}

TEST(OperatorCount, CountsAnOperatorOnAListOnce) {
  const std::vector<at::Tensor> to = {at::ones({4}), at::ones({6})};
  EXPECT_EQ(operators_of([&] { at::_foreach_copy_(to, to); }), 1);
}

TEST(OperatorCount, CountsBackwardToo) {
  auto a = at::ones({3}).requires_grad_();
  const auto forward = [&] { return (a * a).sum(); };
  const int64_t without = operators_of([&] { static_cast<void>(forward()); });
  // The gradient of the sum is 1, written once and expanded; two products, and their sum.
  const int64_t with = operators_of([&] { forward().backward(); });
  EXPECT_GE(with - without, 3);
  EXPECT_LE(with - without, 6);
}

}  // namespace
}  // namespace unlazy
