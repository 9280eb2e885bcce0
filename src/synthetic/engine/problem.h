// The data of a run: inputs x ~ N(0, I_d) or from a file, a teacher theta*, targets y = theta*^T x.
// Everything is fp64.
#pragma once

#include <cstdint>
#include <vector>

#include "synthetic/engine/buffer.h"
#include "synthetic/engine/vector_loops.h"
#include "synthetic/options.h"

namespace unlazy::synthetic {

struct Problem {
  int64_t n = 0, d = 0, stride = 0;  // a row of inputs has `stride` numbers, zeros after d
  Buffer inputs;                     // [n, stride]
  std::vector<double> targets;       // [n]
  std::vector<double> squares;       // [n], |x|^2
  int64_t num_test = 0;
  Buffer test_inputs;                // [num_test, stride]
  std::vector<double> test_targets;  // [num_test]
  std::vector<double> teacher;       // [d], theta*
  double teacher_norm = 0;
  double largest_input = 0;         // max |x_i|
  std::vector<double> covariance;   // [d, d], S = X^T X / n
  std::vector<double> correlation;  // [d], b = X^T y / n

  const double* input(int64_t i) const { return inputs.data() + i * stride; }
  LoopData loop_data() const { return {inputs.data(), targets.data(), squares.data(), stride, d}; }
  /// Mean of r^2 over the training or the test set at theta [d].
  double mean_square(const double* theta, bool is_test) const;
};

/// Draws or reads the data. Equal seeds give equal data. Throws Error for unusable files.
Problem make_problem(const ModelOptions& options, uint64_t seed);

}  // namespace unlazy::synthetic
