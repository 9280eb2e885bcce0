// No noise: labels and targets stay as they are, and nothing is drawn.
#include <algorithm>

#include "noise/label_noise.h"

namespace unlazy::noise {
namespace {

class None : public LabelNoise {
 public:
  void labels(std::span<const int64_t>, std::span<const int64_t> labels, double, Rng&,
              std::span<int64_t> noisy) const override {
    std::copy(labels.begin(), labels.end(), noisy.begin());
  }
  void targets(double, Rng&, std::span<float>) const override {}
};

}  // namespace

std::unique_ptr<LabelNoise> make_none(const NoiseContext&) { return std::make_unique<None>(); }

}  // namespace unlazy::noise
