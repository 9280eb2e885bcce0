// Asymmetric noise of CIFAR-10: with probability `rate` a label becomes that of a similar class
// (Patrini et al. 2017):
//   truck -> automobile, bird -> airplane, deer -> horse, cat <-> dog; the others stay.
// Drawn anew at every step. Classes are taken by number, so it fits only data sets with CIFAR-10's
// ten classes in their order.
#include <array>

#include "noise/bernoulli.h"

namespace unlazy::noise {
namespace {

// airplane automobile bird cat deer dog frog horse ship truck
constexpr std::array<int64_t, 10> kSimilar = {0, 1, 0, 5, 7, 3, 6, 7, 8, 1};

}  // namespace

std::unique_ptr<LabelNoise> make_asymmetric(const NoiseContext& context) {
  UNLAZY_CHECK_USAGE(context.num_classes == 10,
                     "noise: asymmetric is defined for the 10 classes of CIFAR-10, got ",
                     context.num_classes, "; use --noise pair or --noise flip");
  const auto replace = [](int64_t label, Rng&) { return kSimilar[static_cast<size_t>(label)]; };
  return std::make_unique<BernoulliNoise<decltype(replace)>>(context.options.rate, replace);
}

}  // namespace unlazy::noise
