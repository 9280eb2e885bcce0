// The gradient of a batch's loss with respect to theta, the network's linear map:
//   g = (1/B) sum_b r_b x_b,   r_b = x_b^T theta - y_b - eps_b
#pragma once

#include <cstdint>
#include <vector>

#include "synthetic/engine/draws.h"
#include "synthetic/engine/problem.h"

namespace unlazy::synthetic {

class Gradient {
 public:
  Gradient(const Rule& rule, const Problem& problem, uint64_t seed)
      : rule_(rule), problem_(problem), draws_(rule, problem.n, seed) {}

  /// Chooses the batch and noise of a step, of which SAM takes two gradients.
  void start(int64_t step);
  /// g [d] at theta [d]; for a full batch, S theta - b. Returns the largest |r| (for a full batch,
  /// the largest |g|), which is not finite if any is not.
  double at(const double* theta, double* g) const;

 private:
  const Rule rule_;
  const Problem& problem_;
  Draws draws_;
  int64_t first_ = 0, count_ = 0, place_ = 0;
};

}  // namespace unlazy::synthetic
