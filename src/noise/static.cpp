// Symmetric label noise drawn once per sample: the same images have the same wrong labels in every
// epoch, like mislabelled data. The draw is a function of (seed, index of the sample), so the noisy
// data set is never stored. Under a schedule, a sample is flipped while its fixed uniform number is
// below rate * factor.
#include "noise/bernoulli.h"

namespace unlazy::noise {
namespace {

// The stream's steps count training steps from 0; the samples' draws lie far beyond them.
constexpr uint64_t kFirstSample = uint64_t{1} << 40;

class Static : public LabelNoise {
 public:
  explicit Static(const NoiseContext& context)
      : rate_(context.options.rate), num_classes_(context.num_classes), seed_(context.seed) {}

  void labels(std::span<const int64_t> indices, std::span<const int64_t> labels, double factor,
              Rng&, std::span<int64_t> noisy) const override {
    for (size_t b = 0; b < labels.size(); ++b) {
      Rng rng(seed_, Stream::kNoise, kFirstSample + static_cast<uint64_t>(indices[b]));
      const bool is_flipped = rng.bernoulli(rate_ * factor);
      noisy[b] = is_flipped ? other_class(labels[b], num_classes_, rng) : labels[b];
    }
  }

 private:
  double rate_;
  int64_t num_classes_;
  uint64_t seed_;
};

}  // namespace

std::unique_ptr<LabelNoise> make_static(const NoiseContext& context) {
  check_num_classes(context);
  return std::make_unique<Static>(context);
}

}  // namespace unlazy::noise
