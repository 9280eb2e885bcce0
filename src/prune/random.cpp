// Random pruning, the baseline of every criterion: scores are a random order of all weights, so
// there are no ties. Drawn on the host, as a function of the seed alone.
#include <ATen/ops/empty.h>

#include <algorithm>

#include "core/rng.h"
#include "prune/criterion.h"

namespace unlazy::prune {
namespace {

class Random : public Criterion {
 public:
  at::Tensor scores(const Candidate& candidate) const override {
    const int64_t count = candidate.weights.numel();
    const auto order = Rng(candidate.seed, Stream::kProbe).permutation(count);
    auto host = at::empty({count}, at::TensorOptions().dtype(c10::kDouble));
    std::copy(order.begin(), order.end(), host.mutable_data_ptr<double>());
    return host.to(candidate.weights.device());
  }
};

}  // namespace

std::unique_ptr<Criterion> make_random() { return std::make_unique<Random>(); }

}  // namespace unlazy::prune
