// The common part of the noise kinds that flip each label independently: a label is replaced with
// probability rate * factor. The replacement is drawn even if it is not used, so that the draws of
// one label do not depend on what happened to others.
#pragma once

#include <cstdint>

#include "core/error.h"
#include "noise/label_noise.h"

namespace unlazy::noise {

/// One of the `num_classes` - 1 classes that are not `label`, uniformly.
inline int64_t other_class(int64_t label, int64_t num_classes, Rng& rng) {
  const int64_t drawn = rng.below(static_cast<uint32_t>(num_classes - 1));
  return drawn + (drawn >= label ? 1 : 0);
}

/// Throws a misuse Error if there is no other class to flip a label to.
inline void check_num_classes(const NoiseContext& context) {
  UNLAZY_CHECK_USAGE(context.num_classes >= 2, "noise: ", context.options.kind,
                     " needs at least 2 classes, got ", context.num_classes);
}

/// `Replace` is a type with `int64_t operator()(int64_t label, Rng&) const`.
template <class Replace>
class BernoulliNoise : public LabelNoise {
 public:
  BernoulliNoise(double rate, Replace replace) : rate_(rate), replace_(replace) {}

  void labels(std::span<const int64_t>, std::span<const int64_t> labels, double factor, Rng& rng,
              std::span<int64_t> noisy) const override {
    for (size_t b = 0; b < labels.size(); ++b) {
      const bool is_flipped = rng.bernoulli(rate_ * factor);
      const int64_t replacement = replace_(labels[b], rng);
      noisy[b] = is_flipped ? replacement : labels[b];
    }
  }

 private:
  double rate_;
  Replace replace_;
};

}  // namespace unlazy::noise
