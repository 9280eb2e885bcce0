// A network from Python: --model file:PATH.pt2. The archive's graph is the forward pass, and its
// parameters and buffers are registered under their Python names, so that training, checkpoints,
// masks, linearisation and measurements work as for the networks of this folder.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "models/exported/archive.h"
#include "models/exported/program.h"
#include "models/model.h"

namespace unlazy::models {

/// The content of an archive: graphs and tensors.
struct ExportedNetwork {
  /// Reads the file. Throws Error when it is damaged or no exported network. What cannot be trained
  /// is in problems(), and is not an error here.
  explicit ExportedNetwork(const std::string& path);

  /// Is evaluation a graph of its own, or that of training with its switches off?
  bool has_two() const { return training != evaluation; }
  /// What cannot be trained, of both graphs; empty for most networks.
  std::vector<std::string> problems() const;

  std::string path, torch_version;
  std::map<std::string, StoredTensor> weights, constants;
  std::vector<std::string> order;  // names of the weights, as Python has them
  std::shared_ptr<const Program> training, evaluation;
  bool is_of_training = false;  // whoever exported it says so

 private:
  ExportedNetwork(const std::string& path, const Archive& archive);
};

/// "[any, 3, 32, 32]", for sizes of which negative ones are any.
std::string sizes_text(const std::vector<int64_t>& sizes);

/// Builds the model on the CPU. Throws a misuse Error that names what cannot be trained (control
/// flow, operators that LibTorch lacks), or when the images or the classes of `shape` do not fit
/// the network: it is run once in each mode on two images of zeros.
std::shared_ptr<Model> make_exported(const std::string& path, const InputShape& shape);

/// The same without a look at the data, for any number of outputs.
std::shared_ptr<Model> make_exported(const ExportedNetwork& network);

/// From now on each pass of an exported model in training mode draws what Python draws after
/// torch.manual_seed(seed): to compare dropout with Python. Does nothing to other models.
void set_draws(Model& model, uint64_t seed);

}  // namespace unlazy::models
