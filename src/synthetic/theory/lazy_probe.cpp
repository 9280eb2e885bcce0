#include "synthetic/theory/lazy_probe.h"

#include <algorithm>
#include <cmath>

#include "synthetic/engine/draws.h"

namespace unlazy::synthetic {
namespace {

constexpr int64_t kStepsDrawn = 1024;

class Probe {
 public:
  Probe(const Rule& rule, const Problem& problem, int64_t m, double init_scale, uint64_t seed)
      : rule_(rule),
        problem_(problem),
        m_(m),
        ld_(round_up(m, 32)),
        columns_(initial_columns(rule, m, problem.d, ld_, init_scale, seed)),
        start_(columns_),
        draws_(rule, problem.n, seed),
        z_(ld_),
        p_(ld_),
        x_(problem.stride),
        sum_(ld_),
        not_positive_(ld_),
        distance2_(ld_) {
    result_.escape.assign(static_cast<size_t>(m), -1);
  }

  LazyProbe run(int64_t most_steps) {
    int64_t inside = m_, t = 0;
    for (; t < most_steps && inside > 0; ++t) {
      if (t % kStepsDrawn == 0) draws_.fill(t, kStepsDrawn);
      step(t % kStepsDrawn);
      inside -= mark_escapes(t + 1);
    }
    result_.steps = t;
    finish();
    return result_;
  }

 private:
  double* a() { return columns_.data() + problem_.d * ld_; }

  void step(int64_t place) {
    const int64_t i = draws_.index()[place], d = problem_.d;
    const double* x = problem_.input(i);
    const double square = problem_.squares[static_cast<size_t>(i)];
    vector_loops().times(columns_.data(), ld_, d, x, z_.data());
    double f = 0;
    for (int64_t k = 0; k < m_; ++k) f += a()[k] * z_[k];
    const double r = f - problem_.targets[static_cast<size_t>(i)] - draws_.noise()[place];
    const double g = rule_.rate / rule_.lr * r;
    result_.mean_square_residual += r * r;
    const double far = -(rule_.sigma / 4) * (rule_.sigma / 4);
    int64_t far_count = 0;
    for (int64_t k = 0; k < m_; ++k) {
      const double change = -g * g * (z_[k] * z_[k] - a()[k] * a()[k] * square);
      sum_[k] += change;
      not_positive_[k] += change <= 0 ? 1 : 0;
      far_count += change <= far ? 1 : 0;
      result_.largest = std::max(result_.largest, change);
    }
    result_.share_far += static_cast<double>(far_count);
    const double c = rule_.lr * g;
    for (int64_t j = 0; j < d; ++j) x_[j] = c * x[j];
    std::copy_n(a(), ld_, p_.data());
    vector_loops().rank_one(columns_.data(), ld_, d, p_.data(), x_.data());
    for (int64_t k = 0; k < m_; ++k) a()[k] -= c * z_[k];
  }

  // How many neurons left the ball just now.
  int64_t mark_escapes(int64_t step) {
    std::fill_n(distance2_.data(), ld_, 0.0);
    for (int64_t j = 0; j < problem_.d; ++j) {
      const double* now = columns_.data() + j * ld_;
      const double* then = start_.data() + j * ld_;
      double* out = distance2_.data();
      for (int64_t k = 0; k < ld_; ++k) out[k] += (now[k] - then[k]) * (now[k] - then[k]);
    }
    int64_t count = 0;
    const double ball2 = 1 / static_cast<double>(m_);
    for (int64_t k = 0; k < m_; ++k) {
      if (distance2_[k] <= ball2 || result_.escape[static_cast<size_t>(k)] >= 0) continue;
      result_.escape[static_cast<size_t>(k)] = step;
      ++count;
    }
    return count;
  }

  void finish() {
    const double steps = static_cast<double>(std::max<int64_t>(result_.steps, 1));
    for (int64_t k = 0; k < m_; ++k) {
      result_.share_not_positive += not_positive_[k] / steps / static_cast<double>(m_);
      result_.worst_share = std::min(result_.worst_share, not_positive_[k] / steps);
      const double before = norm2(start_, k), a0 = start_[problem_.d * ld_ + k], aT = a()[k];
      const double told = before + rule_.lr * rule_.lr * sum_[k] - a0 * a0 + aT * aT;
      result_.identity_error =
          std::max(result_.identity_error, std::fabs(norm2(columns_, k) - told) / before);
    }
    result_.share_far /= steps * static_cast<double>(m_);
    result_.mean_square_residual /= steps;
  }

  double norm2(const Buffer& columns, int64_t k) const {
    double total = 0;
    for (int64_t j = 0; j < problem_.d; ++j) total += columns[j * ld_ + k] * columns[j * ld_ + k];
    return total;
  }

  const Rule rule_;
  const Problem& problem_;
  int64_t m_, ld_;
  Buffer columns_, start_;
  Draws draws_;
  Buffer z_, p_, x_, sum_, not_positive_, distance2_;
  LazyProbe result_;
};

}  // namespace

LazyProbe probe_lazy(const Rule& rule, const Problem& problem, int64_t m, double init_scale,
                     uint64_t seed, int64_t most_steps) {
  return Probe(rule, problem, m, init_scale, seed).run(most_steps);
}

}  // namespace unlazy::synthetic
