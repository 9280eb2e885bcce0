// Protocols that train each level: an ordinary run with --mask, --weights and --start-at, so that
// it can be repeated, resumed and inspected like any other. A level is pruned from the weights that
// the last level ended with. Momentum starts at 0 again.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "experiments/pruning/protocol.h"

namespace unlazy::experiments {

/// What the training of a level may start from.
struct LevelStart {
  const train::Experiment& experiment;  // of the run that is pruned
  std::string folder;                   // of the level; holds mask.safetensors
  std::string source;                   // the run that is pruned; empty: a file of weights
  std::string trained;                  // the weights that the last level ended with
};

class TrainingProtocol : public Protocol {
 public:
  train::Outcome make_levels(CurveMaker& maker, PrunedNetwork& network) const final;
  bool is_trained() const override { return true; }
  /// From --rewind-to to the end of the run.
  int64_t level_steps(const train::Experiment& run, const PruneOptions& options) const override;
  std::vector<std::string> options() const override {
    return {"criterion", "keep-first", "keep-last"};
  }

 protected:
  /// The mask of level `i`, within `mask`, that of the level before. This version applies the rule
  /// of open_lth (prune/select.h) to the weights that the last level ended with.
  virtual at::Tensor next_mask(const CurveMaker& maker, PrunedNetwork& network, size_t i,
                               const at::Tensor& mask) const;
  /// Sets in `train` what the level starts from and how long it trains. `train` holds the options
  /// of the run that is pruned, with the level's mask.
  virtual void begin(const PruneOptions& options, const LevelStart& start,
                     train::TrainOptions& train) const = 0;
};

}  // namespace unlazy::experiments
