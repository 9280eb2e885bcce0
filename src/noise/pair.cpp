// Pair noise: with probability `rate` a label becomes the next class, (y + 1) mod K (Han et al.
// 2018, Co-teaching). Drawn anew at every step.
#include "noise/bernoulli.h"

namespace unlazy::noise {

std::unique_ptr<LabelNoise> make_pair(const NoiseContext& context) {
  check_num_classes(context);
  const auto replace = [k = context.num_classes](int64_t label, Rng&) { return (label + 1) % k; };
  return std::make_unique<BernoulliNoise<decltype(replace)>>(context.options.rate, replace);
}

}  // namespace unlazy::noise
