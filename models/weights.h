// Weights in files, under PyTorch's names: what torch's state_dict() holds, in safetensors format.
//   Python: safetensors.torch.save_file(model.state_dict(), "weights.safetensors");
//   model.load_state_dict(load_file(..))
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

#include "models/model.h"

namespace unlazy::models {

/// Copies every tensor of the file into the tensor of the same name (any dtype, device and strides
/// of the target). Throws Error naming missing, unexpected and misshapen tensors, and the model
/// that the file says it is for; nothing is copied then.
void copy_tensors(const std::string& path,
                  const std::vector<std::pair<std::string, at::Tensor>>& targets);

/// Parameters and buffers of a model.
std::vector<std::pair<std::string, at::Tensor>> named_tensors(Model& model);

/// Writes the model's parameters and buffers; `name` is noted as the model's name.
void save_weights(Model& model, const std::string& name, const std::string& path);
/// Reads them back.
void load_weights(Model& model, const std::string& path);

}  // namespace unlazy::models
