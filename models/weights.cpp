#include "models/weights.h"

#include <ATen/core/grad_mode.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <sstream>

#include "core/error.h"
#include "core/safetensors.h"

namespace unlazy::models {
namespace {

// The first few names, and how many more.
std::string some(const std::vector<std::string>& names) {
  constexpr size_t kShown = 3;
  const std::vector<std::string> first(
      names.begin(), names.begin() + static_cast<long>(std::min(kShown, names.size())));
  return join(first) +
         (names.size() > kShown ? " and " + std::to_string(names.size() - kShown) + " more" : "");
}

std::string shape_text(const at::Tensor& tensor) {
  std::ostringstream out;
  out << tensor.sizes();
  return out.str();
}

}  // namespace

void copy_tensors(const std::string& path,
                  const std::vector<std::pair<std::string, at::Tensor>>& targets) {
  const auto file = load_tensors(path);
  std::vector<std::string> missing, misshapen, unexpected;
  for (const auto& [name, target] : targets) {
    if (!file.contains(name)) {
      missing.push_back(name);
    } else if (file.at(name).sizes() != target.sizes()) {
      misshapen.push_back(name + " (" + shape_text(file.at(name)) + " in the file, " +
                          shape_text(target) + " wanted)");
    }
  }
  for (const auto& [name, tensor] : file.tensors) {
    if (std::none_of(targets.begin(), targets.end(),
                     [&](const auto& target) { return target.first == name; })) {
      unexpected.push_back(name);
    }
  }
  std::string problem;
  if (!missing.empty()) problem += "; missing: " + some(missing);
  if (!unexpected.empty()) problem += "; unexpected: " + some(unexpected);
  if (!misshapen.empty()) problem += "; of another shape: " + some(misshapen);
  const auto model = file.metadata.find("model");
  UNLAZY_CHECK(
      problem.empty(), path, ": does not fit the network", problem,
      model == file.metadata.end() ? "" : "; the file is for model '" + model->second + "'");
  at::NoGradGuard no_grad;
  for (const auto& [name, target] : targets) target.copy_(file.at(name));
}

std::vector<std::pair<std::string, at::Tensor>> named_tensors(Model& model) {
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (const auto& item : model.module().named_parameters())
    tensors.emplace_back(item.key(), item.value());
  for (const auto& item : model.module().named_buffers())
    tensors.emplace_back(item.key(), item.value());
  return tensors;
}

void save_weights(Model& model, const std::string& name, const std::string& path) {
  save_tensors(path, {named_tensors(model), {{"format", "pt"}, {"model", name}}});
}

void load_weights(Model& model, const std::string& path) {
  copy_tensors(path, named_tensors(model));
}

}  // namespace unlazy::models
