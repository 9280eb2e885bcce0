// bf16 against fp32 on the convolutions of ResNet-18: some versions of LibTorch computed some bf16
// shapes wrongly.
#include <ATen/TensorOperators.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <vector>

namespace unlazy::train {
namespace {

struct Shape {
  int64_t in, out, size, stride, kernel;
};

// Output, gradient of the input, gradient of the weight, in fp32.
std::vector<at::Tensor> convolved(const at::Tensor& x, const at::Tensor& w, const at::Tensor& slope,
                                  const Shape& shape, c10::ScalarType dtype) {
  const auto as_leaf = [&](const at::Tensor& t) {
    return t.to(dtype).contiguous(at::MemoryFormat::ChannelsLast).detach().requires_grad_();
  };
  const auto input = as_leaf(x), weight = as_leaf(w);
  const auto y = at::conv2d(input, weight, {}, shape.stride, shape.kernel / 2);
  auto all = torch::autograd::grad({y}, {input, weight}, {slope.to(dtype)});
  all.insert(all.begin(), y.detach());
  for (auto& t : all) t = t.to(c10::kFloat);
  return all;
}

// Both see the same numbers, which bf16 holds exactly, and their products are exact in fp32. What
// is left is rounding to bf16 (2^-9 relative): of the result, or, on CPUs without bf16 units, of
// each of the kernel's 9 shifted products that are added up. A convolution that is wrong is off by
// about its own norm.
TEST(Bf16, ConvolutionsOfResNet18AreThoseOfFp32) {
  constexpr double kBound = 9.0 / 512;
  for (const auto& shape : {Shape{3, 64, 32, 1, 3},
                            {64, 64, 32, 1, 3},
                            {64, 128, 32, 2, 3},
                            {64, 128, 32, 2, 1},
                            {128, 128, 16, 1, 3},
                            {128, 256, 16, 2, 3},
                            {128, 256, 16, 2, 1},
                            {256, 256, 8, 1, 3},
                            {256, 512, 8, 2, 3},
                            {256, 512, 8, 2, 1},
                            {512, 512, 4, 1, 3}}) {
    const auto rounded = [](at::IntArrayRef sizes) {
      return at::randn(sizes).to(c10::kBFloat16).to(c10::kFloat);
    };
    const int64_t size = shape.size / shape.stride;
    const auto x = rounded({3, shape.in, shape.size, shape.size});
    const auto w = rounded({shape.out, shape.in, shape.kernel, shape.kernel});
    const auto slope = rounded({3, shape.out, size, size});
    const auto wanted = convolved(x, w, slope, shape, c10::kFloat);
    const auto got = convolved(x, w, slope, shape, c10::kBFloat16);
    for (size_t i = 0; i < wanted.size(); ++i) {
      const double error = ((got[i] - wanted[i]).norm() / wanted[i].norm()).item<double>();
      EXPECT_LT(error, kBound) << shape.in << " to " << shape.out << " channels, size "
                               << shape.size << ", kernel " << shape.kernel << ", result " << i;
      EXPECT_GT(error, 0) << "bf16 was not used";
    }
  }
}

}  // namespace
}  // namespace unlazy::train
