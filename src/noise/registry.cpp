// The kinds of label noise: one file and one line each.
#include "noise/label_noise.h"

namespace unlazy::noise {

MakeNoise make_none, make_flip, make_flip_any, make_fixed_count, make_static, make_asymmetric,
    make_pair, make_rademacher, make_gaussian;

const Registry<MakeNoise>& registry() {
  static const Registry<MakeNoise> registry(
      "--noise",
      {
          {"none", "true labels", make_none},
          {"flip",
           "each label becomes another class with probability --noise-rate, anew at each step "
           "(Algorithm 1)",
           make_flip},
          {"flip-any", "as flip, but uniform over all classes, the true one included",
           make_flip_any},
          {"fixed-count",
           "exactly floor(rate * batch) labels become another class, anew at each step",
           make_fixed_count},
          {"static", "as flip, but drawn once for each image", make_static},
          {"asymmetric", "labels of CIFAR-10 become that of a similar class, anew at each step",
           make_asymmetric},
          {"pair", "labels become the next class, anew at each step", make_pair},
          {"rademacher", "regression: adds +sigma or -sigma to each target", make_rademacher},
          {"gaussian",
           "regression: adds a normal number of standard deviation sigma to each target",
           make_gaussian},
      });
  return registry;
}

}  // namespace unlazy::noise
