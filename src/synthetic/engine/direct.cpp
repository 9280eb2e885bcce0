// All m neurons, as the paper writes them: the reference for the reduction. Also the oscillation of
// Eq. 6-7, which has no reduction because a is not moved by a gradient.
#include <algorithm>
#include <cmath>

#include "core/rng.h"
#include "synthetic/engine/engine.h"
#include "synthetic/engine/gradient.h"
#include "synthetic/engine/neurons.h"

namespace unlazy::synthetic {
namespace {

// The network itself: columns of W and a over m neurons.
class Wide : public Engine {
 public:
  Wide(const Rule& rule, const Problem& problem, Buffer columns, int64_t m, int64_t ld,
       uint64_t seed)
      : rule_(rule),
        problem_(problem),
        m_(m),
        ld_(ld),
        columns_(std::move(columns)),
        start_(columns_),
        gradient_(rule, problem, seed),
        theta_(problem.stride),
        g_(problem.stride) {}

  int64_t run_to(int64_t step) override {
    for (; step_ < step; ++step_) {
      if (!do_step(step_)) return step_;
    }
    return step;
  }
  int64_t num_neurons() const override { return m_; }
  void observe(Observation& out) const override {
    resize(out, m_, problem_.d);
    observe_whole(columns_.data(), ld_, problem_, out);
    Buffer change(columns_.size());
    for (int64_t i = 0; i < change.size(); ++i) change[i] = columns_[i] - start_[i];
    observe_block(columns_.data(), change.data(), ld_, 0, m_, problem_, out);
  }
  std::vector<double> neuron(int64_t i) const override {
    std::vector<double> weights;
    for (int64_t j = 0; j <= problem_.d; ++j) weights.push_back(columns_[j * ld_ + i]);
    return weights;
  }

 protected:
  virtual bool do_step(int64_t step) = 0;

  const Rule rule_;
  const Problem& problem_;
  int64_t m_, ld_;
  Buffer columns_, start_;
  int64_t step_ = 0;
  Gradient gradient_;
  Buffer theta_, g_;
};

class Direct : public Wide {
 public:
  using Wide::Wide;

 private:
  bool do_step(int64_t step) override {
    gradient_.start(step);
    if (!gradient_at(columns_)) return false;
    if (rule_.rho == 0) return descend(columns_);
    // SAM: the gradient at the perturbed weights, applied to the unperturbed ones.
    double norm2 = 0;
    for (int64_t i = 0; i < slope_.size(); ++i) norm2 += slope_[i] * slope_[i];
    const double s = norm2 > 0 ? rule_.rho / std::sqrt(norm2) : 0;
    Buffer perturbed = columns_;
    for (int64_t i = 0; i < slope_.size(); ++i) perturbed[i] += s * slope_[i];
    return gradient_at(perturbed) && descend(columns_);
  }

  // slope_ <- the gradient of the batch's loss 1/2 r^2 at `point`: a g^T for W and W g for a.
  bool gradient_at(const Buffer& point) {
    const int64_t d = problem_.d;
    if (slope_.size() == 0) slope_ = Buffer(columns_.size());
    const double* a = point.data() + d * ld_;
    vector_loops().transposed_times(point.data(), ld_, d, a, theta_.data());
    if (!(gradient_.at(theta_.data(), g_.data()) <= kResidualLimit)) return false;
    for (int64_t j = 0; j < d; ++j) {
      for (int64_t i = 0; i < ld_; ++i) slope_[j * ld_ + i] = g_[j] * a[i];
    }
    vector_loops().times(point.data(), ld_, d, g_.data(), slope_.data() + d * ld_);
    return true;
  }

  bool descend(Buffer& point) const {
    for (int64_t i = 0; i < point.size(); ++i) point[i] -= rule_.rate * slope_[i];
    return true;
  }

  Buffer slope_;
};

// Eq. 6-7. The next a does not depend on W, so one pass over W applies a step and computes the
// theta of the next.
class Oscillation : public Wide {
 public:
  Oscillation(const Rule& rule, const Problem& problem, Buffer columns, int64_t m, int64_t ld,
              uint64_t seed)
      : Wide(rule, problem, std::move(columns), m, ld, seed),
        seed_(seed),
        level_(std::pow(rule.lr, 0.25)),
        next_a_(ld_) {
    vector_loops().transposed_times(columns_.data(), ld_, problem.d, a(), theta_.data());
  }

 private:
  double* a() { return columns_.data() + problem_.d * ld_; }

  bool do_step(int64_t step) override {
    const int64_t d = problem_.d;
    if (!(gradient_.at(theta_.data(), g_.data()) <= kResidualLimit)) return false;
    for (int64_t j = 0; j < d; ++j) g_[j] *= rule_.rate;
    std::copy_n(a(), ld_, next_a_.data());
    draw_bits(step);
    vector_loops().markov(next_a_.data(), ld_, reinterpret_cast<const uint8_t*>(bits_.data()),
                          level_);
    for (int64_t i = m_; i < ld_; ++i) next_a_[i] = 0;  // lanes past the last neuron
    vector_loops().rank_one_then_transposed_times(columns_.data(), ld_, d, a(), g_.data(),
                                                  next_a_.data(), theta_.data());
    std::copy_n(next_a_.data(), ld_, a());
    return true;
  }

  // One bit a neuron, from blocks step * blocks, ... of the noise stream.
  void draw_bits(int64_t step) {
    const int64_t blocks = round_up((ld_ + 127) / 128, 8);
    places_.resize(static_cast<size_t>(blocks));
    bits_.resize(static_cast<size_t>(4 * blocks));
    for (int64_t i = 0; i < blocks; ++i) {
      places_[static_cast<size_t>(i)] =
          static_cast<uint64_t>(step * blocks + i) << 8 | static_cast<uint64_t>(Stream::kNoise);
    }
    vector_loops().philox(seed_, places_.data(), blocks, bits_.data());
  }

  uint64_t seed_;
  double level_;
  Buffer next_a_;
  std::vector<uint64_t> places_;
  std::vector<uint32_t> bits_;
};

}  // namespace

std::unique_ptr<Engine> make_direct(const Rule& rule, const Problem& problem, Buffer columns,
                                    int64_t m, int64_t ld, uint64_t seed) {
  return std::make_unique<Direct>(rule, problem, std::move(columns), m, ld, seed);
}

std::unique_ptr<Engine> make_oscillation(const Rule& rule, const Problem& problem, Buffer columns,
                                         int64_t m, int64_t ld, uint64_t seed) {
  return std::make_unique<Oscillation>(rule, problem, std::move(columns), m, ld, seed);
}

std::unique_ptr<Engine> make_engine(const ModelOptions& options, const Rule& rule,
                                    const Problem& problem, uint64_t seed) {
  if (options.family == "diagonal") return make_diagonal(rule, problem, options.init_scale, seed);
  const int64_t m = options.width, ld = round_up(m, 32);
  auto columns = initial_columns(rule, m, problem.d, ld, options.init_scale, seed);
  auto* make = rule.is_oscillation          ? make_oscillation
               : options.engine == "direct" ? make_direct
                                            : make_gram;
  return make(rule, problem, std::move(columns), m, ld, seed);
}

}  // namespace unlazy::synthetic
