#include "linearise/row_products.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

namespace unlazy::linearise {
RowProducts::RowProducts(int64_t num_train, int64_t num_test, int64_t num_outputs, bool is_traced,
                         const at::TensorOptions& options)
    : num_train_(num_train), num_test_(num_test), num_outputs_(num_outputs), is_traced_(is_traced) {
  const int64_t width = is_traced ? 1 : num_outputs;
  train = at::zeros({num_train * width, num_train * width}, options);
  if (num_test > 0) test = at::zeros({num_test * width, num_train * width}, options);
}

// Until finish() rows are in the order (k, n), and of train the blocks with k >= l alone are
// summed.
void RowProducts::add(const at::Tensor& jacobian, double factor) {
  const auto j =
      jacobian.scalar_type() == train.scalar_type() ? jacobian : jacobian.to(train.scalar_type());
  const auto j_train = j.narrow(1, 0, num_train_);
  const auto j_test = j.narrow(1, num_train_, num_test_);
  if (is_traced_) {
    const double weight = factor * factor / static_cast<double>(num_outputs_);
    for (int64_t k = 0; k < num_outputs_; ++k) {
      train.addmm_(j_train[k], j_train[k].t(), 1, weight);
      if (num_test_ > 0) test.addmm_(j_test[k], j_train[k].t(), 1, weight);
    }
    return;
  }
  const auto rows = j_train.reshape({num_outputs_ * num_train_, -1});
  // About half of the multiply-adds of the square.
  for (int64_t k = 0; k < num_outputs_; ++k) {
    const int64_t width = (k + 1) * num_train_;
    train.narrow(0, k * num_train_, num_train_)
        .narrow(1, 0, width)
        .addmm_(j_train[k], rows.narrow(0, 0, width).t(), 1, factor * factor);
    if (num_test_ > 0) {
      test.narrow(0, k * num_test_, num_test_).addmm_(j_test[k], rows.t(), 1, factor * factor);
    }
  }
}

void RowProducts::add_product(const at::Tensor& d, const at::Tensor& h, double factor) {
  const auto wide = [&](const at::Tensor& t) { return t.to(train.scalar_type()); };
  const auto add_block = [&](at::Tensor& sum, int64_t begin, int64_t count) {
    const auto hh = at::mm(wide(h.narrow(0, begin, count)), wide(h.narrow(0, 0, num_train_)).t());
    const auto left = wide(d.narrow(1, begin, count)), right = wide(d.narrow(1, 0, num_train_));
    if (is_traced_) {
      const auto dd = at::bmm(left, right.transpose(1, 2)).sum(0);
      sum.add_(dd.mul_(hh), factor * factor / static_cast<double>(num_outputs_));
    } else {
      auto dd = at::mm(left.reshape({num_outputs_ * count, -1}),
                       right.reshape({num_outputs_ * num_train_, -1}).t());
      dd.view({num_outputs_, count, num_outputs_, num_train_})
          .mul_(hh.view({1, count, 1, num_train_}));
      sum.add_(dd, factor * factor);
    }
  };
  add_block(train, 0, num_train_);
  if (num_test_ > 0) add_block(test, num_train_, num_test_);
}

void RowProducts::finish() {
  // The diagonal too comes from one side, so that train is symmetric to the last bit.
  train.tril_();
  train.add_(train.tril(-1).t());
  if (is_traced_) return;
  const auto by_sample = [&](const at::Tensor& t, int64_t samples) {
    return t.view({num_outputs_, samples, num_outputs_, num_train_})
        .permute({1, 0, 3, 2})
        .reshape({samples * num_outputs_, num_train_ * num_outputs_});
  };
  train = by_sample(train, num_train_);
  if (num_test_ > 0) test = by_sample(test, num_test_);
}

}  // namespace unlazy::linearise
