// Diagonal linear network f = (u*u - v*v)^T x (HaoChen et al. 2021, "Shape Matters"), started at
// u = v = init_scale, so theta = 0.
//   grad_u = 2 u * g,   grad_v = -2 v * g,   g = (1/B) sum_b r_b x_b
// SAM perturbs (u, v) along this gradient.
#include <algorithm>
#include <cmath>

#include "synthetic/engine/engine.h"
#include "synthetic/engine/gradient.h"
#include "synthetic/engine/neurons.h"

namespace unlazy::synthetic {
namespace {

class Diagonal : public Engine {
 public:
  Diagonal(const Rule& rule, const Problem& problem, double init_scale, uint64_t seed)
      : rule_(rule),
        problem_(problem),
        init_scale_(init_scale),
        gradient_(rule, problem, seed),
        u_(static_cast<size_t>(problem.d), init_scale),
        v_(u_),
        theta_(u_.size()),
        g_(u_.size()) {}

  int64_t run_to(int64_t step) override {
    for (; step_ < step; ++step_) {
      if (!do_step()) return step_;
    }
    return step;
  }
  int64_t num_neurons() const override { return problem_.d; }

  void observe(Observation& out) const override {
    resize(out, problem_.d, problem_.d);
    out.spectrum.assign(u_.size(), 0);
    for (size_t j = 0; j < u_.size(); ++j) {
      const double mass = u_[j] * u_[j] + v_[j] * v_[j], theta = u_[j] * u_[j] - v_[j] * v_[j];
      out.norm[j] = std::sqrt(mass);
      out.align[j] =
          problem_.teacher_norm > 0 ? theta * problem_.teacher[j] / problem_.teacher_norm : 0;
      out.cos[j] = mass > 0 ? theta / mass : 0;
      out.a[j] = 0;
      out.distance[j] = std::hypot(u_[j] - init_scale_, v_[j] - init_scale_);
      out.theta[j] = theta;
      out.spectrum[j] = std::fabs(theta);
    }
    std::sort(out.spectrum.rbegin(), out.spectrum.rend());
  }
  std::vector<double> neuron(int64_t i) const override {
    return {u_[static_cast<size_t>(i)], v_[static_cast<size_t>(i)]};
  }

 private:
  bool gradient_at(const std::vector<double>& u, const std::vector<double>& v) {
    for (size_t j = 0; j < u.size(); ++j) theta_[j] = u[j] * u[j] - v[j] * v[j];
    return gradient_.at(theta_.data(), g_.data()) <= kResidualLimit;
  }

  bool do_step() {
    gradient_.start(step_);
    if (!gradient_at(u_, v_)) return false;
    auto u = u_, v = v_;  // where the gradient is taken
    if (rule_.rho > 0) {
      double norm2 = 0;
      for (size_t j = 0; j < u.size(); ++j)
        norm2 += 4 * g_[j] * g_[j] * (u[j] * u[j] + v[j] * v[j]);
      const double s = norm2 > 0 ? rule_.rho / std::sqrt(norm2) : 0;
      for (size_t j = 0; j < u.size(); ++j) {
        u[j] += s * 2 * u_[j] * g_[j];
        v[j] -= s * 2 * v_[j] * g_[j];
      }
      if (!gradient_at(u, v)) return false;
    }
    for (size_t j = 0; j < u.size(); ++j) {
      u_[j] -= rule_.rate * 2 * u[j] * g_[j];
      v_[j] += rule_.rate * 2 * v[j] * g_[j];
    }
    return true;
  }

  const Rule rule_;
  const Problem& problem_;
  double init_scale_;
  Gradient gradient_;
  std::vector<double> u_, v_, theta_, g_;
  int64_t step_ = 0;
};

}  // namespace

std::unique_ptr<Engine> make_diagonal(const Rule& rule, const Problem& problem, double init_scale,
                                      uint64_t seed) {
  return std::make_unique<Diagonal>(rule, problem, init_scale, seed);
}

}  // namespace unlazy::synthetic
