// Initialisation of networks: PyTorch's generator, seeded while a network is built, and the choices
// of --init that change the weights afterwards.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

namespace torch::nn {
class Module;
}

namespace unlazy::models {

/// While one of these lives, LibTorch's default CPU generator is in the state that
/// torch.manual_seed(seed) gives in Python; afterwards its earlier state is restored. PyTorch's
/// modules draw from it when they are made. Do not build networks in several threads at once: that
/// would mix their draws.
class SeededGenerator {
 public:
  explicit SeededGenerator(uint64_t seed);
  ~SeededGenerator();
  SeededGenerator(const SeededGenerator&) = delete;
  SeededGenerator& operator=(const SeededGenerator&) = delete;

 private:
  at::Generator generator_;
  at::Tensor before_;
};

/// "pytorch": does nothing, since the modules have drawn their weights. "kaiming": draws the weight
/// of each convolution from N(0, 2 / fan_out), in the order of registration (He et al. 2015), and
/// leaves everything else as PyTorch made it.
void initialize(torch::nn::Module& module, const std::string& kind);

}  // namespace unlazy::models
