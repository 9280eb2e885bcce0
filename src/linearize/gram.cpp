#include "linearize/gram.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

namespace unlazy::linearize {
namespace {

constexpr int64_t kPanel = 64;  // rows

}  // namespace

Gram::Gram(int64_t num_train, int64_t num_test, int64_t num_outputs, bool is_traced,
           const at::TensorOptions& options)
    : num_train_(num_train), num_test_(num_test), num_outputs_(num_outputs), is_traced_(is_traced) {
  const int64_t width = is_traced ? 1 : num_outputs;
  train = at::zeros({num_train * width, num_train * width}, options);
  if (num_test > 0) test = at::zeros({num_test * width, num_train * width}, options);
}

void Gram::add(const at::Tensor& jacobian, double factor) {
  auto j = is_traced_ ? jacobian.reshape({num_train_ + num_test_, -1}) : jacobian;
  if (j.scalar_type() != train.scalar_type()) j = j.to(train.scalar_type());
  const double weight = factor * factor / (is_traced_ ? static_cast<double>(num_outputs_) : 1.0);
  const int64_t rows = train.size(0);
  const auto j_train = j.narrow(0, 0, rows);
  // The lower triangle in panels: about half of the multiply-adds of the square.
  for (int64_t begin = 0; begin < rows; begin += kPanel) {
    const int64_t count = std::min(kPanel, rows - begin);
    train.narrow(0, begin, count)
        .narrow(1, 0, begin + count)
        .addmm_(j_train.narrow(0, begin, count), j_train.narrow(0, 0, begin + count).t(), 1,
                weight);
  }
  if (num_test_ > 0) test.addmm_(j.narrow(0, rows, j.size(0) - rows), j_train.t(), 1, weight);
}

void Gram::add_product(const at::Tensor& d, const at::Tensor& h, double factor) {
  const int64_t n = num_train_ + num_test_;
  const auto wide = [&](const at::Tensor& t) { return t.to(train.scalar_type()); };
  const auto add_block = [&](at::Tensor& sum, int64_t begin, int64_t count) {
    const auto hh = at::mm(wide(h.narrow(0, begin, count)), wide(h.narrow(0, 0, num_train_)).t());
    const auto left = wide(d.view({n, num_outputs_, -1}).narrow(0, begin, count));
    const auto right = wide(d.view({n, num_outputs_, -1}).narrow(0, 0, num_train_));
    if (is_traced_) {
      const auto dd = at::mm(left.reshape({count, -1}), right.reshape({num_train_, -1}).t());
      sum.add_(dd.mul_(hh), factor * factor / static_cast<double>(num_outputs_));
    } else {
      auto dd = at::mm(left.reshape({count * num_outputs_, -1}),
                       right.reshape({num_train_ * num_outputs_, -1}).t());
      dd.view({count, num_outputs_, num_train_, num_outputs_})
          .mul_(hh.view({count, 1, num_train_, 1}));
      sum.add_(dd, factor * factor);
    }
  };
  add_block(train, 0, num_train_);
  if (num_test_ > 0) add_block(test, num_train_, num_test_);
}

void Gram::finish() { train = train.tril() + train.tril(-1).t(); }

}  // namespace unlazy::linearize
