// Networks: ordinary torch::nn modules with PyTorch's usual names, so that weights can be exchanged
// with Python.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/options.h"
#include "core/registry.h"

namespace torch::nn {
class Module;
}

namespace unlazy::models {

/// --model, --norm, --init, ...: what a user chooses.
struct ModelOptions {
  std::string name = "resnet18";   // a name of registry(), or file:PATH.pt2 (models/exported)
  std::string file_hash = "auto";  // SHA-1 of that file; auto: whatever it is now
  std::string norm = "batch";      // batch, group, none
  std::string init = "pytorch";    // pytorch, kaiming
  int64_t group_norm_groups = 32;  // at most; a layer of fewer channels uses its channel count
  int64_t hidden_width = 512;      // mlp
  int64_t hidden_layers = 2;       // mlp
  std::vector<int64_t> block_widths = {};    // resnets: channels inside each block; empty: full
  int64_t blocks = 1;                        // wrn, ntk-wrn: residual blocks per group
  int64_t width_factor = 1;                  // wrn, ntk-wrn: widths 16, 32, 64 times this
  std::string activation = "relu";           // mlp: relu, erf
  std::string parameterization = "default";  // default, ntk, standard
  double w_std = 1;                          // ntk, standard: standard deviation of W x for |x| = 1
  double b_std = 0;                          // ntk, standard: of the biases; 0: no biases
};
OptionTable describe(ModelOptions& options);

/// What the data set determines.
struct InputShape {
  int64_t channels = 3;
  int64_t height = 32;
  int64_t width = 32;
  int64_t num_classes = 10;
};

/// A network from images to logits.
class Model {
 public:
  virtual ~Model() = default;
  /// images [B, C, H, W] (any memory format, dtype of the weights) -> logits [B, K] in the dtype of
  /// the last layer.
  virtual at::Tensor forward(const at::Tensor& images) = 0;
  /// The module that owns the parameters and buffers.
  virtual torch::nn::Module& module() = 0;
  /// Call before the passes of the update at `step`. Layers that draw random numbers in training
  /// (dropout) then draw a function of (seed, step, number of the pass since this call).
  virtual void begin_step(uint64_t /*seed*/, int64_t /*step*/) {}
  /// Does a pass draw random numbers, in training or in evaluation mode?
  virtual bool is_random() const { return false; }
  /// The most images that go through at once; 0: any number.
  virtual int64_t max_batch() const { return 0; }
};

using MakeModel = std::shared_ptr<Model>(const ModelOptions& options, const InputShape& shape);
const Registry<MakeModel>& registry();

/// Builds and initialises a model on the CPU in fp32. With --init pytorch the weights are those
/// that PyTorch draws after torch.manual_seed(seed) when its modules are made in the same order.
/// LibTorch's default generator is not changed. The weights of file:PATH.pt2 are those of the file,
/// for every seed. Throws a misuse Error for a combination that does not exist, and for a file that
/// is not the one of options.file_hash.
std::shared_ptr<Model> make_model(const ModelOptions& options, const InputShape& shape,
                                  uint64_t seed);

/// "resnet18", or of file:PATH/NAME.pt2 "NAME": for folders and titles.
std::string short_name(const ModelOptions& options);
/// The SHA-1 of the network's file as it is now; "auto" for a network of the registry.
std::string file_hash(const ModelOptions& options);

/// Number of trainable parameters.
int64_t num_parameters(Model& model);

}  // namespace unlazy::models
