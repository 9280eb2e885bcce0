#include "linearise/leaves.h"

#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

namespace unlazy::linearise {

void OtherMemory::look_at(const at::Tensor& tensor, const at::Tensor& values) {
  before_.emplace_back(tensor, tensor.variable_data());
  tensor.set_data(values);
}

// The last first: a buffer of a module that is registered twice comes twice.
OtherMemory::~OtherMemory() {
  std::for_each(before_.rbegin(), before_.rend(),
                [](const auto& entry) { entry.first.set_data(entry.second); });
}

DualLevel::DualLevel() : number_(torch::autograd::forward_ad::enter_dual_level()) {}

DualLevel::~DualLevel() { torch::autograd::forward_ad::exit_dual_level(number_); }

void DualLevel::set_tangent(const at::Tensor& tensor, const at::Tensor& tangent) const {
  tensor._set_fw_grad(tangent, number_, /*is_inplace_op=*/false);
}

}  // namespace unlazy::linearise
