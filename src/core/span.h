// A half-open range of positions, [begin, end): samples of a batch or of a split, or elements of a
// flat buffer.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace unlazy {

struct Span {
  int64_t begin = 0;
  int64_t end = 0;

  int64_t size() const { return end - begin; }
  /// These positions in the first dimension of `whole`, as a view.
  at::Tensor of(const at::Tensor& whole) const { return whole.narrow(0, begin, size()); }
};

}  // namespace unlazy
