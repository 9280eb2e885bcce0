#include "train/control_block.h"

#include <ATen/ops/empty.h>

#include <cstring>

#include "core/error.h"
#include "data/batches.h"

namespace unlazy::train {

// Words: lr, rho, step, plan [B, 4], labels [B], seen [B], targets (two a word).
ControlBlock::ControlBlock(int64_t batch_size, int64_t num_targets, c10::ScalarType dtype,
                           bool is_pinned)
    : batch_size_(batch_size), num_targets_(num_targets), dtype_(dtype) {
  static_assert(kPlanWidth == data::kPlanWidth);
  UNLAZY_CHECK(dtype == c10::kFloat || dtype == c10::kDouble,
               "control block: lr and rho cannot be ", c10::toString(dtype));
  const int64_t num_words = kScalars + batch_size * (kPlanWidth + 2) + (num_targets + 1) / 2;
  block_ = at::empty({num_words}, at::TensorOptions().dtype(c10::kLong).pinned_memory(is_pinned));
}

void ControlBlock::set_scalars(double lr, double rho, int64_t step) {
  const double values[] = {lr, rho};
  for (int64_t i = 0; i < 2; ++i) {
    // A float is the first half of its word.
    const auto narrow = static_cast<float>(values[i]);
    words()[i] = 0;
    if (dtype_ == c10::kFloat) std::memcpy(words() + i, &narrow, sizeof narrow);
    if (dtype_ == c10::kDouble) std::memcpy(words() + i, &values[i], sizeof values[i]);
  }
  words()[2] = step;
}

ControlBlock::Parts ControlBlock::parts_of(const at::Tensor& block) const {
  int64_t begin = 0;
  const auto take = [&](int64_t count) { return block.narrow(0, (begin += count) - count, count); };
  const auto scalar = [&] { return take(1).view(dtype_).select(0, 0); };
  Parts parts;
  parts.lr = scalar();
  parts.rho = scalar();
  parts.step = take(1).select(0, 0);
  parts.plan = take(batch_size_ * kPlanWidth).view({batch_size_, kPlanWidth});
  parts.labels = take(batch_size_);
  parts.seen = take(batch_size_);
  parts.targets = parts.seen;
  if (num_targets_ > 0) {
    parts.targets = take((num_targets_ + 1) / 2)
                        .view(c10::kFloat)
                        .narrow(0, 0, num_targets_)
                        .view({batch_size_, num_targets_ / batch_size_});
  }
  return parts;
}

}  // namespace unlazy::train
