// The inner loops, one version for each instruction set (AVX-512, AVX2, baseline), chosen when the
// program runs. A state is stored by columns: column j < d is column j of W over the neurons, and
// column d is a. Each column has `ld` entries, a multiple of 8, with zeros after the last neuron.
// So a neuron is a lane of a vector, and only sums need shuffles.
#pragma once

#include <cstdint>
#include <string>

namespace unlazy::synthetic {

/// Training inputs as the loops read them.
struct LoopData {
  const double* inputs;   // [n, stride], 64-byte aligned rows, zeros past d
  const double* targets;  // [n]
  const double* squares;  // [n], |x|^2
  int64_t stride;         // multiple of 8
  int64_t d;
};

/// The arguments of a series of one-sample steps.
struct LoopSteps {
  const uint32_t* index;  // [count] samples
  const double* noise;    // [count] added to the targets
  int64_t count;
  double rate;  // lr, times 2 when the loss is r^2
  double rho;   // SAM's radius, 0 for none
};

/// A larger residual ends a run: its squares would overflow soon after.
inline constexpr double kResidualLimit = 1e100;

/// One version of the loops.
struct VectorLoops {
  std::string name;  // "avx512", "avx2", "baseline"
  /// One-sample steps, four at a time: the rank-1 updates of W are collected and applied in one
  /// sweep, which also computes W x for the next four samples. `columns` [(d + 1), ld] is changed
  /// in place. Returns the number of steps done. If a residual exceeds kResidualLimit this is less
  /// than `count`, and the columns are no longer valid.
  int64_t (*run)(double* columns, int64_t ld, const LoopData& data, const LoopSteps& steps);
  /// out[i] = sum_j columns[j][i] v[j], j < d
  void (*times)(const double* columns, int64_t ld, int64_t d, const double* v, double* out);
  /// out[j] = sum_i columns[j][i] v[i], j < d
  void (*transposed_times)(const double* columns, int64_t ld, int64_t d, const double* v,
                           double* out);
  /// columns[j][i] -= p[i] v[j], j < d
  void (*rank_one)(double* columns, int64_t ld, int64_t d, const double* p, const double* v);
  /// columns[j] -= p v[j] and then out[j] = sum_i columns[j][i] q[i], in one pass
  void (*rank_one_then_transposed_times)(double* columns, int64_t ld, int64_t d, const double* p,
                                         const double* v, const double* q, double* out);
  /// out[j][i] = sum_k q[k][i] y[j * k_count + k] for 32 neurons i at q + offset, j < j_count; out
  /// is [j_count, 32]
  void (*recover)(const double* q, int64_t q_ld, int64_t k_count, const double* y, int64_t j_count,
                  double* out);
  /// The chain of Eq. 7 for `ld` entries of a: 0 becomes +size or -size depending on its bit, any
  /// other value becomes 0.
  void (*markov)(double* a, int64_t ld, const uint8_t* bits, double size);
  /// Does `rounds` rounds of independent multiply-adds on registers, to measure the floor for
  /// benchmarks. Returns how many numbers were multiplied.
  double (*multiply_adds)(int64_t rounds);
  /// Philox4x32-10 of (key; counter = (0, 0, subsequence + i)) for i < count, a multiple of 8.
  /// `out` is [4, count].
  void (*philox)(uint64_t key, const uint64_t* subsequences, int64_t count, uint32_t* out);
};

/// The fastest version that this processor can run.
const VectorLoops& vector_loops();
/// All versions that this processor can run, fastest first, for tests.
int64_t num_vector_loops();
const VectorLoops& vector_loops(int64_t i);

}  // namespace unlazy::synthetic
