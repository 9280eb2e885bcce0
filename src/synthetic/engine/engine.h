// An engine carries a network through the steps of a rule and shows its neurons when asked.
//   gram      two-layer linear, on d + 1 neurons: U = [W a] = Q Y by a thin QR, and every update is
//   U <- U M with M a function of
//             W^T a, |a|, |W x|, which Q does not change. So the same algorithm runs on Y, whatever
//             the width. Exact.
//   direct    two-layer linear, all m neurons
//   (oscillation, Eq. 6-7, and the diagonal network have engines of their own)
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "synthetic/engine/problem.h"
#include "synthetic/method.h"

namespace unlazy::synthetic {

/// The neurons at one time. For the diagonal network neuron j is coordinate j: norm |(u_j, v_j)|,
/// align theta_j theta*_j / |theta*| (so that |align| <= norm^2), cos |theta_j| / (u_j^2 + v_j^2),
/// a = 0.
struct Observation {
  std::vector<double> norm;      // [m], |w_i|
  std::vector<double> align;     // [m], <w_i, theta*>
  std::vector<double> cos;       // [m], <w_i, theta*> / (|w_i| |theta*|), 0 where either is 0
  std::vector<double> a;         // [m]
  std::vector<double> distance;  // [m], |w_i - w_i(0)|
  std::vector<double> theta;     // [d], W^T a
  std::vector<double> spectrum;  // singular values of W, largest first (diagonal: |theta_j|)
};

class Engine {
 public:
  virtual ~Engine() = default;
  /// Goes on to `step` (not before the present one). Returns the step reached: less when the
  /// residual of that step is not finite or passes kResidualLimit. A run is a function of its seed:
  /// the steps at which it stops on the way change nothing.
  virtual int64_t run_to(int64_t step) = 0;
  virtual int64_t num_neurons() const = 0;
  virtual void observe(Observation& out) const = 0;
  /// The weights of neuron i: w_i and a_i, [d + 1]; diagonal: u_i, v_i.
  virtual std::vector<double> neuron(int64_t i) const = 0;
};

/// Weights of the two-layer network at the start: W ~ N(0, 1/d), a ~ N(0, 1/m), times `scale`; for
/// the oscillation a is +-lr^1/4 with probability 1/4 each, else 0. Column j of W at j ld, a at d
/// ld. Neuron i reads Rng(seed, kInit, i), so a wider network has the same first neurons but for
/// the scale of a.
Buffer initial_columns(const Rule& rule, int64_t m, int64_t d, int64_t ld, double scale,
                       uint64_t seed);

/// `problem` must outlive the engine.
std::unique_ptr<Engine> make_engine(const ModelOptions& options, const Rule& rule,
                                    const Problem& problem, uint64_t seed);

/// The engines by themselves, for tests and the theory. make_gram and make_direct start from
/// `columns` [d + 1, ld] of m neurons, as initial_columns lays them out.
std::unique_ptr<Engine> make_gram(const Rule& rule, const Problem& problem, Buffer columns,
                                  int64_t m, int64_t ld, uint64_t seed);
std::unique_ptr<Engine> make_direct(const Rule& rule, const Problem& problem, Buffer columns,
                                    int64_t m, int64_t ld, uint64_t seed);
std::unique_ptr<Engine> make_oscillation(const Rule& rule, const Problem& problem, Buffer columns,
                                         int64_t m, int64_t ld, uint64_t seed);
std::unique_ptr<Engine> make_diagonal(const Rule& rule, const Problem& problem, double init_scale,
                                      uint64_t seed);

}  // namespace unlazy::synthetic
