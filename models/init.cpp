#include "models/init.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>
#include <torch/nn/init.h>
#include <torch/nn/module.h>

#include <mutex>

namespace unlazy::models {

SeededGenerator::SeededGenerator(uint64_t seed) : generator_(at::detail::getDefaultCPUGenerator()) {
  const std::lock_guard lock(generator_.mutex());
  before_ = generator_.get_state();
  generator_.set_current_seed(seed);
}

SeededGenerator::~SeededGenerator() {
  const std::lock_guard lock(generator_.mutex());
  generator_.set_state(before_);
}

void initialize(torch::nn::Module& module, const std::string& kind) {
  if (kind != "kaiming") return;
  at::NoGradGuard no_grad;
  for (const auto& item : module.named_parameters()) {
    auto parameter = item.value();
    if (parameter.dim() == 4) {
      torch::nn::init::kaiming_normal_(parameter, 0, torch::kFanOut, torch::kReLU);
    }
  }
}

}  // namespace unlazy::models
