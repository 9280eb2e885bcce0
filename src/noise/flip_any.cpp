// With probability `rate` a label is replaced by one of all K classes, uniformly, itself included:
//   P(y' = k | y) = 1 - rate + rate / K  if k = y,  rate / K  otherwise.
// So the fraction of labels that change is rate * (K - 1) / K. As in the notebook published by the
// paper's authors.
#include "noise/bernoulli.h"

namespace unlazy::noise {

std::unique_ptr<LabelNoise> make_flip_any(const NoiseContext& context) {
  check_num_classes(context);
  const auto replace = [k = static_cast<uint32_t>(context.num_classes)](
                           int64_t, Rng& rng) -> int64_t { return rng.below(k); };
  return std::make_unique<BernoulliNoise<decltype(replace)>>(context.options.rate, replace);
}

}  // namespace unlazy::noise
