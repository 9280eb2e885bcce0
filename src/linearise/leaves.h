// Temporary changes to the tensors of a network: other memory, and tangents.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>
#include <vector>

namespace unlazy::linearise {

/// While one of these lives, tensors use other memory. Afterwards each uses its own memory again,
/// which nothing has written. So a network can be evaluated at other parameters, also in another
/// dtype, and be restored without a copy.
class OtherMemory {
 public:
  OtherMemory() = default;
  ~OtherMemory();
  OtherMemory(const OtherMemory&) = delete;
  OtherMemory& operator=(const OtherMemory&) = delete;

  /// From now on `tensor`, a parameter or a buffer, has the memory of `values`, of the same shape.
  void look_at(const at::Tensor& tensor, const at::Tensor& values);

 private:
  std::vector<std::pair<at::Tensor, at::Tensor>> before_;  // tensor, its own data
};

/// A level of forward differentiation. Tensors have tangents only while this lives, also when the
/// network throws. Only one at a time: LibTorch's levels do not nest.
class DualLevel {
 public:
  DualLevel();
  ~DualLevel();
  DualLevel(const DualLevel&) = delete;
  DualLevel& operator=(const DualLevel&) = delete;

  /// `tangent` must have the shape and strides of `tensor`; it is not copied.
  void set_tangent(const at::Tensor& tensor, const at::Tensor& tangent) const;
  /// The number of the level, for LibTorch's own functions.
  uint64_t number() const { return number_; }

 private:
  uint64_t number_;
};

}  // namespace unlazy::linearise
