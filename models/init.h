// Initialisation of networks: PyTorch's generator, seeded for the time of building, and the choices
// of --init that go over the weights afterwards.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

namespace torch::nn {
class Module;
}

namespace unlazy::models {

/// While one of these lives, LibTorch's default CPU generator is the one that
/// torch.manual_seed(seed) leaves in Python; afterwards it is as it was found. PyTorch's modules
/// draw from it when made. Building networks in several threads at once would mix their draws.
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

/// "pytorch": nothing, the modules have drawn their weights. "kaiming": each convolution's weight
/// ~ N(0, 2 / fan_out), in the order of registration (He et al. 2015); all else stays as PyTorch
/// made it.
void initialize(torch::nn::Module& module, const std::string& kind);

}  // namespace unlazy::models
