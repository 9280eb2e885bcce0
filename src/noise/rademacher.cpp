// Regression noise of the paper's analysis: y + eps, where eps is +sigma or -sigma with equal
// probability.
#include "noise/label_noise.h"

namespace unlazy::noise {
namespace {

class Rademacher : public LabelNoise {
 public:
  explicit Rademacher(double sigma) : sigma_(sigma) {}
  bool is_for_targets() const override { return true; }
  void targets(double factor, Rng& rng, std::span<float> targets) const override {
    for (auto& target : targets) target += static_cast<float>(sigma_ * factor * rng.sign());
  }

 private:
  double sigma_;
};

}  // namespace

std::unique_ptr<LabelNoise> make_rademacher(const NoiseContext& context) {
  return std::make_unique<Rademacher>(context.options.sigma);
}

}  // namespace unlazy::noise
