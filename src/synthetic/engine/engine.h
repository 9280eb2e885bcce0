// An engine moves a network through the steps of a rule and shows its neurons when asked.
//   gram      two-layer linear network, on d + 1 neurons, exactly. U = [W a] = Q Y by a thin QR.
//             Every update is U <- U M, where M is a function of W^T a, |a| and |W x|, which Q does
//             not change. So the same algorithm runs on Y, whatever the width.
//   direct    two-layer linear network, all m neurons
// The oscillation (Eq. 6-7) and the diagonal network have engines of their own.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "synthetic/engine/problem.h"
#include "synthetic/method.h"

namespace unlazy::synthetic {

/// The neurons at one time. For the diagonal network, neuron j is coordinate j: norm is
/// |(u_j, v_j)|, align is theta_j theta*_j / |theta*| (so that |align| <= norm^2), cos is
/// |theta_j| / (u_j^2 + v_j^2), and a is 0.
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
  /// Goes on to `step` (not before the present one). Returns the step reached, which is less when
  /// the residual of that step is not finite or exceeds kResidualLimit. A run is a function of its
  /// seed: stopping at other steps in between changes nothing.
  virtual int64_t run_to(int64_t step) = 0;
  virtual int64_t num_neurons() const = 0;
  virtual void observe(Observation& out) const = 0;
  /// The weights of neuron i: w_i and a_i, [d + 1]; diagonal: u_i, v_i.
  virtual std::vector<double> neuron(int64_t i) const = 0;
};

/// Initial weights of the two-layer network: W ~ N(0, 1/d), a ~ N(0, 1/m), times `scale`. For the
/// oscillation, a is +-lr^1/4 with probability 1/4 each, else 0. Column j of W begins at j ld, a at
/// d ld. Neuron i reads Rng(seed, kInit, i), so a wider network has the same first neurons, except
/// for the scale of a.
Buffer initial_columns(const Rule& rule, int64_t m, int64_t d, int64_t ld, double scale,
                       uint64_t seed);

/// `problem` must outlive the engine.
std::unique_ptr<Engine> make_engine(const ModelOptions& options, const Rule& rule,
                                    const Problem& problem, uint64_t seed);

/// The single engines, for tests and the theory. make_gram and make_direct start from `columns`
/// [d + 1, ld] of m neurons, laid out as by initial_columns.
std::unique_ptr<Engine> make_gram(const Rule& rule, const Problem& problem, Buffer columns,
                                  int64_t m, int64_t ld, uint64_t seed);
std::unique_ptr<Engine> make_direct(const Rule& rule, const Problem& problem, Buffer columns,
                                    int64_t m, int64_t ld, uint64_t seed);
std::unique_ptr<Engine> make_oscillation(const Rule& rule, const Problem& problem, Buffer columns,
                                         int64_t m, int64_t ld, uint64_t seed);
std::unique_ptr<Engine> make_diagonal(const Rule& rule, const Problem& problem, double init_scale,
                                      uint64_t seed);

}  // namespace unlazy::synthetic
