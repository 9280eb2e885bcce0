#include "optim/flat_parameters.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_copy.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <set>

#include "core/error.h"
#include "models/parameters.h"

namespace unlazy::optim {
namespace {

struct Named {
  std::string name;
  at::Tensor parameter;
  int rank;  // 0 weight, 1 bias, 2 normalisation
};

std::string prefix_of(const std::string& name) { return name.substr(0, name.rfind('.') + 1); }

// A layer whose weight has one dimension is a normalisation: its scale and its shift belong
// together.
std::vector<Named> in_flat_order(torch::nn::Module& module) {
  std::set<std::string> normalizations;
  const auto parameters = models::distinct_parameters(module);
  for (const auto& [name, parameter] : parameters) {
    if (parameter.dim() == 1 && name.ends_with("weight")) normalizations.insert(prefix_of(name));
  }
  std::vector<Named> list;
  for (const auto& [name, parameter] : parameters) {
    const int rank = normalizations.count(prefix_of(name)) ? 2 : parameter.dim() >= 2 ? 0 : 1;
    list.push_back({name, parameter, rank});
  }
  std::stable_sort(list.begin(), list.end(),
                   [](const Named& a, const Named& b) { return a.rank < b.rank; });
  return list;
}

// The elements in the order of the flat buffer. A view where the gradient has the parameter's
// strides, as backward makes it.
at::Tensor flattened(const at::Tensor& tensor, const Segment& segment) {
  return (segment.is_channels_last ? tensor.permute({0, 2, 3, 1}) : tensor).reshape({-1});
}

}  // namespace

FlatParameters::FlatParameters(torch::nn::Module& module, c10::Device device, c10::ScalarType dtype,
                               bool has_copy) {
  const bool is_bf16 = dtype == c10::kBFloat16;
  const c10::ScalarType master = is_bf16 ? c10::kFloat : dtype;
  auto parameters = in_flat_order(module);
  module.to(device, master);
  UNLAZY_CHECK(!parameters.empty(), "flat parameters: the network has no parameters");

  int64_t total = 0;
  for (const auto& [name, parameter, rank] : parameters) {
    segments_.push_back(
        {name, parameter.sizes().vec(), total, parameter.numel(), parameter.dim() == 4});
    total += parameter.numel();
    if (rank == 0) num_weights_ = total;
    if (rank <= 1 && has_copy) num_low_precision_ = total;
  }
  at::NoGradGuard no_grad;
  values_ = at::zeros({total}, at::TensorOptions(device).dtype(master));
  gradients_ = at::zeros_like(values_);
  if (is_bf16) shadow_ = at::zeros({num_low_precision_}, values_.options().dtype(c10::kBFloat16));
  for (size_t i = 0; i < segments_.size(); ++i) {
    view(values_, segments_[i]).copy_(parameters[i].parameter);
    parameters_.push_back(parameters[i].parameter);
    parameters_[i].set_data(view(values_, segments_[i]));
  }
  clear_gradients();
  show(/*is_master=*/false);
  publish();
}

// The weights and biases look at the master buffer or, in bf16 training, at the shadow. The others
// always look at the master buffer.
void FlatParameters::show(bool is_master) {
  if (!shadow_.defined()) return;
  is_low_precision_ = !is_master;
  for (size_t i = 0; i < segments_.size() && segments_[i].offset < num_low_precision_; ++i) {
    parameters_[i].mutable_grad() = at::Tensor();
    parameters_[i].set_data(view(is_master ? values_ : shadow_, segments_[i]));
  }
}

c10::ScalarType FlatParameters::compute_dtype() const {
  return is_low_precision_ ? c10::kBFloat16 : values_.scalar_type();
}

at::Tensor FlatParameters::view(const at::Tensor& flat, const Segment& segment) {
  const auto part = flat.narrow(0, segment.offset, segment.count);
  if (!segment.is_channels_last) return part.view(segment.shape);
  const auto& s = segment.shape;
  return part.view({s[0], s[2], s[3], s[1]}).permute({0, 3, 1, 2});
}

at::Tensor FlatParameters::zeros_like_values() const { return at::zeros_like(values_); }

// Without a gradient, backward hands over the tensors that it computed; with one, it would add to
// them, an operator for each parameter.
void FlatParameters::clear_gradients() {
  for (auto& parameter : parameters_) parameter.mutable_grad() = at::Tensor();
}

void FlatParameters::collect_gradients(bool is_first) {
  at::NoGradGuard no_grad;
  // Lists of one dtype each, which a GPU copies or adds in a few kernels.
  std::vector<at::Tensor> low, low_places, others, other_places;
  for (size_t i = 0; i < segments_.size(); ++i) {
    const auto& segment = segments_[i];
    const auto place = gradients_.narrow(0, segment.offset, segment.count);
    const auto& gradient = parameters_[i].grad();
    if (!gradient.defined()) {
      if (is_first) place.zero_();
      continue;
    }
    const bool is_low = gradient.scalar_type() == c10::kBFloat16;
    (is_low ? low : others).push_back(flattened(gradient, segment));
    (is_low ? low_places : other_places).push_back(place);
  }
  const auto put = [&](const std::vector<at::Tensor>& places, const std::vector<at::Tensor>& from) {
    if (from.empty()) return;
    if (is_first) {
      at::_foreach_copy_(places, from);
    } else {
      at::_foreach_add_(places, from);
    }
  };
  put(low_places, low);
  put(other_places, others);
  clear_gradients();
  zero_pruned_(gradients_);
}

// By value: `mask` may be the one that is there.
void FlatParameters::set_mask(at::Tensor mask) {
  mask_ = at::Tensor();
  pruned_ = at::Tensor();
  if (!mask.defined()) return;
  UNLAZY_CHECK(mask.dim() == 1 && mask.numel() == num_weights_ && mask.scalar_type() == c10::kBool,
               "flat parameters: a mask has ", num_weights_,
               " elements of type Bool, one a weight; ", "got ", mask.numel(), " of type ",
               c10::toString(mask.scalar_type()));
  mask_ = mask.to(values_.device()).clone();
  pruned_ = mask_.logical_not();
  zero_pruned_(gradients_);
  publish();
}

// Not a product with 0 and 1: that would make -0 of negative weights and nan of infinite ones.
void FlatParameters::zero_pruned_(const at::Tensor& flat) const {
  if (pruned_.defined()) flat.narrow(0, 0, num_weights_).masked_fill_(pruned_, 0);
}

void FlatParameters::publish() {
  zero_pruned_(values_);
  if (is_low_precision_) shadow_.copy_(values_.narrow(0, 0, num_low_precision_));
}

}  // namespace unlazy::optim
