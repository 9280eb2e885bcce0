// Weights in files, under PyTorch's names: the content of torch's state_dict(), in safetensors
// format. In Python:
//   safetensors.torch.save_file(model.state_dict(), "weights.safetensors")
//   model.load_state_dict(load_file(..))
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

#include "models/model.h"

namespace unlazy::models {

/// Copies every tensor of the file into the tensor of the same name, which may have another dtype,
/// device or strides. If tensors are missing, unexpected or of another shape, throws an Error that
/// names them and the model that the file says it is for, and copies nothing.
void copy_tensors(const std::string& path,
                  const std::vector<std::pair<std::string, at::Tensor>>& targets);

/// Parameters and buffers of a model.
std::vector<std::pair<std::string, at::Tensor>> named_tensors(Model& model);

/// Writes the model's parameters and buffers; `name` is noted as the model's name.
void save_weights(Model& model, const std::string& name, const std::string& path);
/// Reads them back.
void load_weights(Model& model, const std::string& path);

}  // namespace unlazy::models
