// Symmetric label noise. With probability `rate` a label is replaced by one of the K-1 others,
// uniformly:
//   P(y' = k | y) = 1 - rate  if k = y,  rate / (K - 1)  otherwise.
// Drawn anew at every step (label noise SGD, Algorithm 1), not once per data set: that is `static`.
#include "noise/bernoulli.h"

namespace unlazy::noise {

std::unique_ptr<LabelNoise> make_flip(const NoiseContext& context) {
  check_num_classes(context);
  const auto replace = [k = context.num_classes](int64_t label, Rng& rng) {
    return other_class(label, k, rng);
  };
  return std::make_unique<BernoulliNoise<decltype(replace)>>(context.options.rate, replace);
}

}  // namespace unlazy::noise
