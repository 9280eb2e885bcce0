// Which weights are pruned first: a criterion gives each weight a score, and the lowest are pruned.
// To add one, write a file here and add a line to registry.cpp.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/options.h"
#include "core/registry.h"
#include "optim/flat_parameters.h"

namespace unlazy::prune {

/// --criterion, --keep-first, --keep-last
struct CriterionOptions {
  std::string name = "magnitude";
  bool keep_first = false;
  bool keep_last = false;
};
OptionTable describe(CriterionOptions& options);

/// What a criterion can use.
struct Candidate {
  at::Tensor weights;    // [num_weights] master values, in flat order
  at::Tensor gradients;  // [num_weights] of the training loss, for criteria that need them
  uint64_t seed = 0;     // of random criteria
};

class Criterion {
 public:
  virtual ~Criterion() = default;
  /// [num_weights] of a floating dtype, >= 0. The same candidate always gets the same scores.
  virtual at::Tensor scores(const Candidate& candidate) const = 0;
  /// Is the same fraction of each layer pruned, instead of one threshold for all layers?
  virtual bool is_layerwise() const { return false; }
  virtual bool needs_gradients() const { return false; }
};

using MakeCriterion = std::unique_ptr<Criterion>();
const Registry<MakeCriterion>& registry();

/// The layers that the options allow to prune: all layers with weights, without the first (the
/// stem) and the last (the head) if these are kept. Throws a misuse Error when none is left.
std::vector<optim::Segment> prunable_layers(const CriterionOptions& options,
                                            const optim::FlatParameters& parameters);

}  // namespace unlazy::prune
