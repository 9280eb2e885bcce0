// Exactly floor(rate * B) labels of a batch, chosen without replacement, become another class,
// uniformly: at B = 128, rates .05, .1 and .2 flip 6, 12 and 25 labels. As in the open_lth fork
// that the paper's authors published. Drawn anew at every step.
#include <algorithm>

#include "noise/bernoulli.h"

namespace unlazy::noise {
namespace {

class FixedCount : public LabelNoise {
 public:
  explicit FixedCount(const NoiseContext& context)
      : rate_(context.options.rate), num_classes_(context.num_classes) {}

  void labels(std::span<const int64_t>, std::span<const int64_t> labels, double factor, Rng& rng,
              std::span<int64_t> noisy) const override {
    const auto size = static_cast<int64_t>(labels.size());
    const auto count = static_cast<int64_t>(rate_ * factor * static_cast<double>(size));
    std::copy(labels.begin(), labels.end(), noisy.begin());
    for (const int64_t b : rng.sample(size, count)) {
      auto& label = noisy[static_cast<size_t>(b)];
      label = other_class(label, num_classes_, rng);
    }
  }

 private:
  double rate_;
  int64_t num_classes_;
};

}  // namespace

std::unique_ptr<LabelNoise> make_fixed_count(const NoiseContext& context) {
  check_num_classes(context);
  return std::make_unique<FixedCount>(context);
}

}  // namespace unlazy::noise
