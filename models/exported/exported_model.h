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

/// The content of an archive: two graphs and the tensors.
struct ExportedNetwork {
  /// Reads the file. Throws Error when it is damaged or no exported network. What cannot be trained
  /// is in the programs' problems(), and is not an error here.
  explicit ExportedNetwork(const std::string& path);

  /// In evaluation: the second graph, or that of training with its switches off.
  const Program& evaluation() const { return has_two ? second : program; }
  /// What cannot be run, of both graphs; empty for most networks.
  std::vector<std::string> problems() const;

  std::string path, torch_version;
  std::map<std::string, StoredTensor> weights, constants;
  std::vector<std::string> order;  // names of the weights, as Python has them
  Program program, second;
  bool has_two = false;

 private:
  ExportedNetwork(const std::string& path, const Archive& archive);
};

/// Builds the model in fp32 on the CPU. Throws a misuse Error that names what cannot be trained
/// (control flow, operators that LibTorch lacks), or when the images or the classes of `shape` do not fit
/// the network: it is run once on two images of zeros.
std::shared_ptr<Model> make_exported(const std::string& path, const InputShape& shape);

/// The same without a look at the data, for any number of outputs.
std::shared_ptr<Model> make_exported(const ExportedNetwork& network);

/// From now on each pass of an exported model in training mode draws what Python draws after
/// torch.manual_seed(seed): to compare dropout with Python. Does nothing to other models.
void set_draws(Model& model, uint64_t seed);

}  // namespace unlazy::models
