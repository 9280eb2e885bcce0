// The exact reduction: U = [W a] = Q Y, and the steps act on Y.
//   SGD        M = I - c (e x^T + x e^T), c = lr r, e the unit vector of a
//   minibatch  the same with v = (lr/B) sum_b r_b x_b in place of c x
//   full batch the same with v = lr (S theta - b)
//   SAM        perturbed point (W + s a g^T, a + s W g), s = rho / N,
//              N^2 = |a|^2 |g|^2 + |W g|^2
// One-sample steps run in the fused vector loop, others here. With fewer than d + 1 neurons, Q = I
// and Y = U.
#include <algorithm>
#include <cmath>

#include "synthetic/engine/engine.h"
#include "synthetic/engine/gradient.h"
#include "synthetic/engine/householder.h"
#include "synthetic/engine/neurons.h"

namespace unlazy::synthetic {
namespace {

// Steps drawn and run at once; a multiple of kStepBlock, so that blocks always begin at the
// same steps.
constexpr int64_t kStepsAtOnce = 1024;
constexpr int64_t kStepBlock = 4;  // steps that VectorLoops::run holds back

class Gram : public Engine {
 public:
  Gram(const Rule& rule, const Problem& problem, Buffer columns, int64_t m, int64_t ld,
       uint64_t seed)
      : rule_(rule),
        problem_(problem),
        m_(m),
        q_ld_(ld),
        k_(std::min(m, problem.d + 1)),
        ld_(round_up(k_, 8)),
        gradient_(rule, problem, seed),
        draws_(rule, problem.n, seed),
        z_(ld_),
        g_(problem.stride),
        other_(problem.stride),
        p_(ld_) {
    const int64_t d = problem.d;
    if (m >= d + 1) {
      q_ = std::move(columns);
      start_ = thin_qr(q_.data(), m, k_, ld, ld_);
    } else {
      start_ = Buffer((d + 1) * ld_);
      q_ = Buffer(m * ld);
      for (int64_t j = 0; j <= d; ++j)
        std::copy_n(columns.data() + j * ld, m, start_.data() + j * ld_);
      for (int64_t i = 0; i < m; ++i) q_[i * ld + i] = 1;
    }
    base_ = now_ = start_;
  }

  int64_t num_neurons() const override { return m_; }

  int64_t run_to(int64_t step) override {
    if (rule_.batch != 1 || rule_.is_full_batch) {
      for (; base_step_ < step; ++base_step_) {
        if (!any_step(base_step_)) return base_step_;
      }
      now_ = base_;
      return step;
    }
    // Whole blocks move the base; the steps after it are run on a copy, so that where a run is
    // looked at changes nothing.
    const int64_t whole = step / kStepBlock * kStepBlock;
    while (base_step_ < whole) {
      const int64_t count =
          std::min(whole, (base_step_ / kStepsAtOnce + 1) * kStepsAtOnce) - base_step_;
      if (const int64_t reached = fused_steps(base_, count); reached < base_step_ + count)
        return reached;
      base_step_ += count;
    }
    now_ = base_;
    return step == whole ? step : fused_steps(now_, step - whole);
  }

  void observe(Observation& out) const override {
    constexpr int64_t kBlock = 32;  // what VectorLoops::recover makes at a time
    const int64_t columns = problem_.d + 1;
    resize(out, m_, problem_.d);
    observe_whole(now_.data(), ld_, problem_, out);
    // Y and Y - Y(0), packed as recover wants them.
    Buffer packed(2 * columns * k_), block(2 * columns * kBlock);
    for (int64_t j = 0; j < columns; ++j) {
      for (int64_t k = 0; k < k_; ++k) {
        packed[j * k_ + k] = now_[j * ld_ + k];
        packed[(columns + j) * k_ + k] = now_[j * ld_ + k] - start_[j * ld_ + k];
      }
    }
    for (int64_t i = 0; i < m_; i += kBlock) {
      vector_loops().recover(q_.data() + i, q_ld_, k_, packed.data(), 2 * columns, block.data());
      observe_block(block.data(), block.data() + columns * kBlock, kBlock, i,
                    std::min(kBlock, m_ - i), problem_, out);
    }
  }

  std::vector<double> neuron(int64_t i) const override {
    std::vector<double> weights(static_cast<size_t>(problem_.d + 1));
    for (int64_t j = 0; j <= problem_.d; ++j) {
      for (int64_t k = 0; k < k_; ++k)
        weights[static_cast<size_t>(j)] += q_[k * q_ld_ + i] * now_[j * ld_ + k];
    }
    return weights;
  }

 private:
  // One-sample steps base_step_, ... on `columns`; returns the step reached.
  int64_t fused_steps(Buffer& columns, int64_t count) {
    draws_.fill(base_step_, count);
    const Buffer before = columns;
    const LoopSteps steps{draws_.index(), draws_.noise(), count, rule_.rate, rule_.rho};
    const int64_t done = vector_loops().run(columns.data(), ld_, problem_.loop_data(), steps);
    if (done == count) return base_step_ + count;
    // A block that diverged has spoilt the state: go over it again, a step at a time.
    columns = before;
    for (int64_t i = 0; i < count; ++i) {
      const Buffer good = columns;
      const LoopSteps one{steps.index + i, steps.noise + i, 1, rule_.rate, rule_.rho};
      if (vector_loops().run(columns.data(), ld_, problem_.loop_data(), one) == 1) continue;
      now_ = good;
      return base_step_ + i;
    }
    now_ = columns;
    return base_step_ + done;
  }

  // A step of any batch. False when a residual is too large.
  bool any_step(int64_t step) {
    const auto& k = vector_loops();
    const int64_t d = problem_.d;
    double* w = base_.data();
    double* a = w + d * ld_;
    gradient_.start(step);
    theta_.resize(static_cast<size_t>(d));
    k.transposed_times(w, ld_, d, a, theta_.data());
    if (!(gradient_.at(theta_.data(), g_.data()) <= kResidualLimit)) return false;
    k.times(w, ld_, d, g_.data(), z_.data());
    double s = 0, along = 0;
    std::copy_n(a, ld_, p_.data());
    if (rule_.rho > 0) {
      const double a2 = square(a, ld_), g2 = square(g_.data(), d),
                   norm2 = a2 * g2 + square(z_.data(), ld_);
      s = norm2 > 0 ? rule_.rho / std::sqrt(norm2) : 0;
      perturb(s, a2);
      for (int64_t i = 0; i < ld_; ++i) p_[i] = a[i] + s * z_[i];
      const Buffer clean = g_;
      if (!(gradient_.at(theta_.data(), g_.data()) <= kResidualLimit)) return false;
      for (int64_t j = 0; j < d; ++j) along += clean[j] * g_[j];
      k.times(w, ld_, d, g_.data(), z_.data());
    }
    for (int64_t j = 0; j < d; ++j) other_[j] = rule_.rate * g_[j];
    for (int64_t i = 0; i < ld_; ++i) a[i] -= rule_.rate * (z_[i] + s * along * a[i]);
    k.rank_one(w, ld_, d, p_.data(), other_.data());
    return true;
  }

  // theta <- (W + s a g^T)^T (a + s z) = theta + s (W^T z + |a|^2 g) + s^2 (theta . g) g, with z =
  // W g
  void perturb(double s, double a2) {
    const int64_t d = problem_.d;
    double along = 0;
    for (int64_t j = 0; j < d; ++j) along += theta_[static_cast<size_t>(j)] * g_[j];
    vector_loops().transposed_times(base_.data(), ld_, d, z_.data(), other_.data());
    for (int64_t j = 0; j < d; ++j)
      theta_[static_cast<size_t>(j)] += s * (other_[j] + a2 * g_[j]) + s * s * along * g_[j];
  }

  static double square(const double* v, int64_t count) {
    double total = 0;
    for (int64_t i = 0; i < count; ++i) total += v[i] * v[i];
    return total;
  }

  const Rule rule_;
  const Problem& problem_;
  int64_t m_, q_ld_, k_, ld_;
  Buffer q_;                   // [k, q_ld], orthonormal columns
  Buffer start_, base_, now_;  // Y at the start, at the last whole block, at the step asked for
  int64_t base_step_ = 0;
  Gradient gradient_;
  Draws draws_;
  std::vector<double> theta_;
  Buffer z_, g_, other_, p_;
};

}  // namespace

std::unique_ptr<Engine> make_gram(const Rule& rule, const Problem& problem, Buffer columns,
                                  int64_t m, int64_t ld, uint64_t seed) {
  return std::make_unique<Gram>(rule, problem, std::move(columns), m, ld, seed);
}

}  // namespace unlazy::synthetic
