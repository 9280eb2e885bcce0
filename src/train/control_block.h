// All that the host decides about a step, in one tensor: which samples and crops, labels and their
// noise, learning rate, rho, step. So one copy from pinned memory brings it to a GPU, and the whole
// step behind that copy can be one CUDA graph.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace unlazy::train {

/// Host memory of a block of `batch_size` samples and `num_targets` regression targets (B K, or 0).
/// `dtype` is that of lr and rho: Float or Double.
class ControlBlock {
 public:
  ControlBlock(int64_t batch_size, int64_t num_targets, c10::ScalarType dtype, bool is_pinned);

  void set_scalars(double lr, double rho, int64_t step);
  int64_t* plan() { return words() + kScalars; }                   // [B, data::kPlanWidth]
  int64_t* labels() { return plan() + batch_size_ * kPlanWidth; }  // [B] true classes
  int64_t* seen() { return labels() + batch_size_; }               // [B] after label noise
  float* targets() { return reinterpret_cast<float*>(seen() + batch_size_); }  // [B, K]

  /// [words] int64.
  const at::Tensor& tensor() const { return block_; }

  /// The parts of such a tensor, on any device, as views of it.
  struct Parts {
    at::Tensor lr, rho;  // scalars, `dtype`
    at::Tensor step;     // scalar int64
    at::Tensor plan;     // [B, data::kPlanWidth] int64
    at::Tensor labels;   // [B] int64
    at::Tensor seen;     // [B] int64
    at::Tensor targets;  // [B, K] float, or `seen` where there are no regression targets
  };
  Parts parts_of(const at::Tensor& block) const;

 private:
  static constexpr int64_t kScalars = 3, kPlanWidth = 4;
  int64_t* words() { return block_.mutable_data_ptr<int64_t>(); }

  int64_t batch_size_, num_targets_;
  c10::ScalarType dtype_;
  at::Tensor block_;
};

}  // namespace unlazy::train
