// Sharpness-aware minimisation (Foret et al. 2021):
//   e = rho * g / norm(g)      the maximum of the linearised loss over the ball of radius rho
//   e = rho * g                unnormalised (Andriushchenko and Flammarion 2022)
#include <ATen/TensorOperators.h>

#include <ATen/ops/linalg_vector_norm.h>

#include "optim/sharpness_aware.h"
#ifdef UNLAZY_HAS_CUDA
#include "cuda/update_launch.h"
#endif

namespace unlazy::optim {
namespace {

class Sam : public SharpnessAware {
 public:
  Sam(const OptimizerOptions& options, FlatParameters& parameters)
      : SharpnessAware(options, parameters),
        is_normalized_(options.sharpness.variant == "normalized") {
#ifdef UNLAZY_HAS_CUDA
    const auto device = parameters.values().device();
    has_kernel_ = device.is_cuda() && cuda::updates_agree(device);
#endif
  }

 protected:
  void perturb(const at::Tensor& rho) override {
    const auto& g = parameters().gradients();
#ifdef UNLAZY_HAS_CUDA
    if (has_kernel_ && rho.is_cuda()) {
      const auto norm = is_normalized_ ? at::linalg_vector_norm(g) : at::Tensor();
      cuda::perturb({parameters().values(), g, {}, parameters().mask(), parameters().published()},
                    rho, norm);
      return;
    }
#endif
    parameters().values().addcmul_(g, is_normalized_ ? radius_over_norm(rho, g) : rho);
  }

 private:
  bool is_normalized_;
#ifdef UNLAZY_HAS_CUDA
  bool has_kernel_ = false;
#endif
};

}  // namespace

std::unique_ptr<Optimizer> make_sam(const OptimizerOptions& options, FlatParameters& parameters) {
  return std::make_unique<Sam>(options, parameters);
}

}  // namespace unlazy::optim
