// Global magnitude pruning: score |w|, one threshold for all layers (Han et al. 2015; Frankle and
// Carbin 2019 for residual networks).
#include "prune/criterion.h"

namespace unlazy::prune {
namespace {

class Magnitude : public Criterion {
 public:
  at::Tensor scores(const Candidate& candidate) const override { return candidate.weights.abs(); }
};

}  // namespace

std::unique_ptr<Criterion> make_magnitude() { return std::make_unique<Magnitude>(); }

}  // namespace unlazy::prune
