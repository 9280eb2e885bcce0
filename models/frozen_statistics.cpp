#include "models/frozen_statistics.h"

#include <ATen/core/grad_mode.h>
#include <torch/nn/module.h>

#include <algorithm>

#include "models/model.h"
#include "models/norm.h"

namespace unlazy::models {

FrozenStatistics::FrozenStatistics(torch::nn::Module& module) {
  const auto freeze = [&](double* momentum) {
    momenta_.emplace_back(*momentum, momentum);
    *momentum = 0;
  };
  if (auto* own = dynamic_cast<RunningStatistics*>(&module)) {
    for (double* momentum : own->momenta()) freeze(momentum);
  }
  for (const auto& child : module.modules()) {
    if (auto* norm = dynamic_cast<NormImpl*>(child.get())) freeze(&norm->momentum_);
  }
}

// The last first: a module that is registered twice was found at 0 the second time.
FrozenStatistics::~FrozenStatistics() {
  std::for_each(momenta_.rbegin(), momenta_.rend(),
                [](const auto& momentum) { *momentum.second = momentum.first; });
}

AveragedStatistics::AveragedStatistics(torch::nn::Module& module) {
  if (auto* own = dynamic_cast<RunningStatistics*>(&module); own && own->has_statistics()) {
    for (double* momentum : own->momenta()) momenta_.emplace_back(*momentum, momentum);
  }
  for (const auto& child : module.modules()) {
    if (auto* norm = dynamic_cast<NormImpl*>(child.get()))
      momenta_.emplace_back(norm->momentum_, &norm->momentum_);
  }
}

AveragedStatistics::~AveragedStatistics() {
  for (const auto& [value, place] : momenta_) *place = value;
}

// The first batch replaces what was there.
void AveragedStatistics::next_batch(int64_t num_samples) {
  num_samples_ += num_samples;
  const double share = static_cast<double>(num_samples) / static_cast<double>(num_samples_);
  for (const auto& [value, place] : momenta_) *place = share;
}

void recalibrate(Model& model, int64_t num_batches,
                 const std::function<at::Tensor(int64_t batch)>& read) {
  const at::NoGradGuard no_grad;
  auto& module = model.module();
  AveragedStatistics averaged(module);
  if (averaged.is_empty()) return;
  const bool was_training = module.is_training();
  module.train();
  for (int64_t i = 0; i < num_batches; ++i) {
    const auto images = read(i);
    averaged.next_batch(images.size(0));
    model.begin_step(0, i);  // draws of dropout that depend on nothing before
    model.forward(images);
  }
  module.train(was_training);
}

}  // namespace unlazy::models
