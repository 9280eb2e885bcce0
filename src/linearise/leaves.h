// What is done to a network's tensors for a time: other memory, and tangents.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>
#include <vector>

namespace unlazy::linearise {

/// While one of these lives, tensors look at other memory; afterwards each at its own again, which
/// nothing has written. So a network is at other parameters, in another dtype too, and comes back
/// without a copy.
class OtherMemory {
 public:
  OtherMemory() = default;
  ~OtherMemory();
  OtherMemory(const OtherMemory&) = delete;
  OtherMemory& operator=(const OtherMemory&) = delete;

  /// `tensor`, a parameter or a buffer, is `values` from now on; of the same shape.
  void look_at(const at::Tensor& tensor, const at::Tensor& values);

 private:
  std::vector<std::pair<at::Tensor, at::Tensor>> before_;  // tensor, its own data
};

/// A level of forward differentiation: tensors have tangents only while this lives, also when the
/// network throws. One at a time: LibTorch's levels do not nest.
class DualLevel {
 public:
  DualLevel();
  ~DualLevel();
  DualLevel(const DualLevel&) = delete;
  DualLevel& operator=(const DualLevel&) = delete;

  /// Of the shape and strides of `tensor`; not copied.
  void set_tangent(const at::Tensor& tensor, const at::Tensor& tangent) const;
  /// What LibTorch's own functions want.
  uint64_t number() const { return number_; }

 private:
  uint64_t number_;
};

}  // namespace unlazy::linearise
