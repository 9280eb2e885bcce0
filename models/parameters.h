// The parameters of a module, each once. LibTorch's own lists repeat a parameter each time a module
// that has it is registered.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

namespace torch::nn {
class Module;
}

namespace unlazy::models {

/// Name and leaf, in the order of Module::named_parameters(). A parameter of a module that is
/// registered several times appears once, under its first name. Throws an Error when two different
/// leaves begin at the same memory: each would get only a part of the derivatives.
std::vector<std::pair<std::string, at::Tensor>> distinct_parameters(
    const torch::nn::Module& module);

}  // namespace unlazy::models
