// The cases of tests/golden/pytorch_reference.safetensors, written by make_pytorch_reference.py
// there: which network each is, and its batch of images.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cmath>
#include <memory>
#include <string>

#include "core/safetensors.h"
#include "models/model.h"

namespace unlazy::testing {

constexpr uint64_t kReferenceSeed = 3;

inline const TensorFile& reference() {
  static const TensorFile file =
      load_tensors(UNLAZY_SOURCE_DIR "/tests/golden/pytorch_reference.safetensors");
  return file;
}

// The case's name says it: NETWORK-OPTION-OPTION.
inline models::ModelOptions reference_options(const std::string& name) {
  const auto has = [&](const char* word) { return name.find(word) != std::string::npos; };
  models::ModelOptions options;
  options.name = name == "ntk-wrn" ? name : name.substr(0, name.find('-'));
  options.hidden_width = 64;
  if (has("wrn")) options.blocks = options.width_factor = 2;
  if (has("-group")) options.norm = "group";
  if (has("-none")) options.norm = "none";
  if (has("-kaiming")) options.init = "kaiming";
  if (has("-erf")) options.activation = "erf";
  if (has("-ntk")) options.parameterization = "ntk";
  if (has("-standard")) options.parameterization = "standard";
  if (has("ntk") || has("standard")) {
    options.w_std = 1.25;
    options.b_std = 0.5;
  }
  return options;
}

inline std::shared_ptr<models::Model> reference_model(const std::string& name) {
  return models::make_model(reference_options(name), {}, kReferenceSeed);
}

// Normal draws differ in their last bits between CPUs.
inline bool draws_normal_weights(const std::string& name) {
  const auto options = reference_options(name);
  return options.init == "kaiming" || options.w_std != 1;
}

inline void set_format(torch::nn::Module& module, at::MemoryFormat format) {
  for (auto& parameter : module.parameters()) {
    if (parameter.dim() == 4) parameter.set_data(parameter.data().contiguous(format));
  }
}

/// [B, 3, 32, 32] in fp32
inline at::Tensor reference_images() {
  return (reference().at("images").to(at::kFloat) - 128) / 64;
}

/// max |a - b| / max |b|
inline double relative_distance(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>() /
         b.to(at::kDouble).abs().max().item<double>();
}

}  // namespace unlazy::testing
