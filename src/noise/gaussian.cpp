// Regression noise: y + eps, eps ~ N(0, sigma^2).
#include "noise/label_noise.h"

namespace unlazy::noise {
namespace {

class Gaussian : public LabelNoise {
 public:
  explicit Gaussian(double sigma) : sigma_(sigma) {}
  bool is_for_targets() const override { return true; }
  void targets(double factor, Rng& rng, std::span<float> targets) const override {
    for (auto& target : targets) target += static_cast<float>(sigma_ * factor * rng.normal());
  }

 private:
  double sigma_;
};

}  // namespace

std::unique_ptr<LabelNoise> make_gaussian(const NoiseContext& context) {
  return std::make_unique<Gaussian>(context.options.sigma);
}

}  // namespace unlazy::noise
