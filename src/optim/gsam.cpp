// Surrogate gap guided SAM (Zhuang et al. 2022, Algorithm 1). With g at w and g_adv at w + e, where
// e is SAM's:
//   g_perp = g - g_adv (g . g_adv) / (g_adv . g_adv)
//   update with g_adv - alpha * g_perp
// This lowers the perturbed loss and, to first order without raising it, the gap to the loss
// itself. In the paper rho follows the learning rate,
//   rho = rho_min + (rho_max - rho_min) (lr - lr_min) / (lr_max - lr_min).
// This is --rho-schedule lr with lr_min = 0, where our schedules end. Its Table 4 for ResNets on
// ImageNet (SGD, this perturbation): rho 0.04 to 0.02, alpha 0.01 (0.005 for ResNet-152), linear
// learning rate. Its authors' CIFAR-10 example (PyTorch, WRN-16-8, adaptive perturbation, rho 2):
// alpha 0.4, our default, and rho proportional to a cosine learning rate.
#include <ATen/TensorOperators.h>
#include <ATen/ops/dot.h>

#include "optim/sharpness_aware.h"

namespace unlazy::optim {
namespace {

class Gsam : public SharpnessAware {
 public:
  Gsam(const OptimizerOptions& options, FlatParameters& parameters)
      : SharpnessAware(options, parameters),
        alpha_(options.sharpness.alpha),
        clean_(parameters.zeros_like_values()) {}

 protected:
  void perturb(const at::Tensor& rho) override {
    clean_.copy_(parameters().gradients());
    parameters().values().addcmul_(clean_, radius_over_norm(rho, clean_));
  }

  bool compares_gradients() const override { return true; }

  void combine() override {
    const auto& g_adv = parameters().gradients();
    const auto share = at::dot(clean_, g_adv) / at::dot(g_adv, g_adv).clamp_min(1e-30);
    clean_.addcmul_(g_adv, share, -1);  // now g_perp
    g_adv.sub_(clean_, alpha_);
  }

 private:
  double alpha_;
  at::Tensor clean_;  // [P] g, kept over the second pass
};

}  // namespace

std::unique_ptr<Optimizer> make_gsam(const OptimizerOptions& options, FlatParameters& parameters) {
  return std::make_unique<Gsam>(options, parameters);
}

}  // namespace unlazy::optim
