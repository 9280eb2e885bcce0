// Layer-wise magnitude pruning: score |w|, the same fraction of each layer
// (torch.nn.utils.prune.l1_unstructured layer by layer).
#include "prune/criterion.h"

namespace unlazy::prune {
namespace {

class LayerMagnitude : public Criterion {
 public:
  at::Tensor scores(const Candidate& candidate) const override { return candidate.weights.abs(); }
  bool is_layerwise() const override { return true; }
};

}  // namespace

std::unique_ptr<Criterion> make_layer_magnitude() { return std::make_unique<LayerMagnitude>(); }

}  // namespace unlazy::prune
