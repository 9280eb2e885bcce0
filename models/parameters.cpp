#include "models/parameters.h"

#include <torch/nn/module.h>

#include <map>
#include <set>

#include "core/error.h"

namespace unlazy::models {

std::vector<std::pair<std::string, at::Tensor>> distinct_parameters(
    const torch::nn::Module& module) {
  std::vector<std::pair<std::string, at::Tensor>> list;
  std::set<const c10::TensorImpl*> seen;
  std::map<const void*, std::string> owners;
  for (const auto& item : module.named_parameters()) {
    const auto& parameter = item.value();
    if (!seen.insert(parameter.unsafeGetTensorImpl()).second) continue;
    if (parameter.numel() > 0) {
      const auto [owner, is_new] = owners.emplace(parameter.const_data_ptr(), item.key());
      UNLAZY_CHECK(is_new, "parameters: ", owner->second, " and ", item.key(),
                   " share memory but are two parameters; register one module twice instead");
    }
    list.emplace_back(item.key(), parameter);
  }
  return list;
}

}  // namespace unlazy::models
