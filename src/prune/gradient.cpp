// First-order saliency: score |g w|, the change of the loss to first order when w becomes 0
// (Mozer and Smolensky 1989; Lee et al. 2019 as SNIP). g is the gradient of the mean training loss.
#include "core/error.h"
#include "prune/criterion.h"

namespace unlazy::prune {
namespace {

class Gradient : public Criterion {
 public:
  at::Tensor scores(const Candidate& candidate) const override {
    UNLAZY_CHECK(candidate.gradients.defined(),
                 "gradient: needs the gradient of the training loss, none was given");
    return candidate.weights.mul(candidate.gradients).abs();
  }
  bool needs_gradients() const override { return true; }
};

}  // namespace

std::unique_ptr<Criterion> make_gradient() { return std::make_unique<Gradient>(); }

}  // namespace unlazy::prune
