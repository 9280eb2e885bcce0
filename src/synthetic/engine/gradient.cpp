#include "synthetic/engine/gradient.h"

#include <algorithm>
#include <cmath>

namespace unlazy::synthetic {
namespace {

// The larger of the two, and nan once there was a nan.
double larger(double a, double b) { return a > b ? a : b == b ? (a == a ? b : a) : b; }

}  // namespace

void Gradient::start(int64_t step) {
  if (rule_.is_full_batch) return;
  if (step < first_ || step >= first_ + count_) {
    first_ = step;
    count_ = std::max<int64_t>(1, 1024 / rule_.batch);
    draws_.fill(first_, count_);
  }
  place_ = (step - first_) * rule_.batch;
}

double Gradient::at(const double* theta, double* g) const {
  const int64_t d = problem_.d;
  double largest = 0;
  if (rule_.is_full_batch) {
    for (int64_t j = 0; j < d; ++j) {
      const double* row = problem_.covariance.data() + j * d;
      double total = -problem_.correlation[static_cast<size_t>(j)];
      for (int64_t k = 0; k < d; ++k) total += row[k] * theta[k];
      g[j] = total;
      largest = larger(largest, std::fabs(total));
    }
    return largest;
  }
  std::fill_n(g, d, 0.0);
  const double weight = 1.0 / static_cast<double>(rule_.batch);
  for (int64_t b = place_; b < place_ + rule_.batch; ++b) {
    const int64_t i = draws_.index()[b];
    const double* x = problem_.input(i);
    double r = -problem_.targets[static_cast<size_t>(i)] - draws_.noise()[b];
    for (int64_t j = 0; j < d; ++j) r += x[j] * theta[j];
    for (int64_t j = 0; j < d; ++j) g[j] += weight * r * x[j];
    largest = larger(largest, std::fabs(r));
  }
  return largest;
}

}  // namespace unlazy::synthetic
