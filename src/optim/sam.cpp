// Sharpness-aware minimisation (Foret et al. 2021):
//   e = rho * g / norm(g)      the maximum of the linearised loss over the ball of radius rho
//   e = rho * g                unnormalised (Andriushchenko and Flammarion 2022)
#include <ATen/TensorOperators.h>

#include "optim/sharpness_aware.h"

namespace unlazy::optim {
namespace {

class Sam : public SharpnessAware {
 public:
  Sam(const OptimizerOptions& options, FlatParameters& parameters)
      : SharpnessAware(options, parameters),
        is_normalized_(options.sharpness.variant == "normalized") {}

 protected:
  void perturb(const at::Tensor& rho) override {
    const auto& g = parameters().gradients();
    parameters().values().addcmul_(g, is_normalized_ ? radius_over_norm(rho, g) : rho);
  }

 private:
  bool is_normalized_;
};

}  // namespace

std::unique_ptr<Optimizer> make_sam(const OptimizerOptions& options, FlatParameters& parameters) {
  return std::make_unique<Sam>(options, parameters);
}

}  // namespace unlazy::optim
