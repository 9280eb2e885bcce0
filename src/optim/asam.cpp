// Adaptive SAM (Kwon et al. 2021, Algorithm 1), element-wise: the neighbourhood scales with the
// weights, so that sharpness does not change when a network is rescaled without changing its
// function.
//   T = abs(w) + eta,   e = rho * T^2 g / norm(T g)
// The authors' code has T = 1 for parameters whose name does not contain "weight".
#include <ATen/TensorOperators.h>

#include "optim/sharpness_aware.h"

namespace unlazy::optim {
namespace {

class Asam : public SharpnessAware {
 public:
  Asam(const OptimizerOptions& options, FlatParameters& parameters)
      : SharpnessAware(options, parameters), eta_(options.sharpness.eta) {
    if (options.sharpness.scaling == "weights") {
      for (const auto& segment : parameters.segments()) {
        if (segment.name.find("weight") == std::string::npos) unscaled_.push_back(segment);
      }
    }
  }

 protected:
  void perturb(const at::Tensor& rho) override {
    const auto& w = parameters().values();
    const auto& g = parameters().gradients();
    auto scale = w.abs().add_(eta_);
    for (const auto& segment : unscaled_) scale.narrow(0, segment.offset, segment.count).fill_(1.0);
    const auto scaled = scale * g;
    w.addcmul_(scale.mul_(scaled), radius_over_norm(rho, scaled));
  }

 private:
  double eta_;
  std::vector<Segment> unscaled_;
};

}  // namespace

std::unique_ptr<Optimizer> make_asam(const OptimizerOptions& options, FlatParameters& parameters) {
  return std::make_unique<Asam>(options, parameters);
}

}  // namespace unlazy::optim
