#include "synthetic/engine/problem.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/rng.h"
#include "synthetic/matrix_file.h"

namespace unlazy::synthetic {
namespace {

// Places in the data stream: training row i is drawn at step i, test rows and the teacher far
// behind.
constexpr uint64_t kTestRows = uint64_t{1} << 40, kTeacher = uint64_t{1} << 41;

void draw_row(uint64_t seed, uint64_t place, int64_t d, double* row) {
  Rng rng(seed, Stream::kData, place);
  for (int64_t j = 0; j < d; ++j) row[j] = rng.normal();
}

double norm(const std::vector<double>& v) {
  double total = 0;
  for (const double x : v) total += x * x;
  return std::sqrt(total);
}

// A random direction, on `nonzeros` random coordinates, of the norm wanted.
std::vector<double> draw_teacher(const ModelOptions& options, uint64_t seed, int64_t d) {
  Rng rng(seed, Stream::kData, kTeacher);
  std::vector<double> teacher(static_cast<size_t>(d));
  const int64_t count = options.teacher_nonzeros > 0 ? options.teacher_nonzeros : d;
  for (const int64_t j : rng.sample(d, count)) teacher[static_cast<size_t>(j)] = rng.normal();
  const double size = norm(teacher);
  for (auto& x : teacher) x *= options.teacher_norm / size;
  return teacher;
}

std::vector<double> read_teacher(const std::string& path, int64_t d) {
  auto matrix = read_matrix(path);
  UNLAZY_CHECK(matrix.rows == 1 || matrix.cols == 1, path,
               ": theta* must be one row or one column, has ", matrix.rows, " x ", matrix.cols);
  const auto size = static_cast<int64_t>(matrix.values.size());
  UNLAZY_CHECK(size == d, path, ": theta* has ", size, " entries, but the inputs have dimension ",
               d);
  return matrix.values;
}

double inner(const double* a, const double* b, int64_t d) {
  double total = 0;
  for (int64_t j = 0; j < d; ++j) total += a[j] * b[j];
  return total;
}

void fill_moments(Problem& p) {
  const auto d = static_cast<size_t>(p.d);
  p.covariance.assign(d * d, 0);
  p.correlation.assign(d, 0);
  const double weight = 1.0 / static_cast<double>(p.n);
  for (int64_t i = 0; i < p.n; ++i) {
    const double* x = p.input(i);
    for (size_t j = 0; j < d; ++j) {
      for (size_t k = 0; k < d; ++k) p.covariance[j * d + k] += weight * x[j] * x[k];
      p.correlation[j] += weight * x[j] * p.targets[static_cast<size_t>(i)];
    }
  }
}

}  // namespace

double Problem::mean_square(const double* theta, bool is_test) const {
  const Buffer& rows = is_test ? test_inputs : inputs;
  const auto& wanted = is_test ? test_targets : targets;
  double total = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    const double r = inner(rows.data() + static_cast<int64_t>(i) * stride, theta, d) - wanted[i];
    total += r * r;
  }
  return total / static_cast<double>(wanted.size());
}

Problem make_problem(const ModelOptions& options, uint64_t seed) {
  if (options.data_seed >= 0) seed = static_cast<uint64_t>(options.data_seed);
  Matrix given;
  if (!options.inputs.empty()) given = read_matrix(options.inputs);

  Problem p;
  p.n = options.inputs.empty() ? options.samples : given.rows;
  p.d = options.inputs.empty() ? options.dim : given.cols;
  p.stride = round_up(p.d, 8);
  p.inputs = Buffer(p.n * p.stride);
  for (int64_t i = 0; i < p.n; ++i) {
    double* row = p.inputs.data() + i * p.stride;
    if (options.inputs.empty()) {
      draw_row(seed, static_cast<uint64_t>(i), p.d, row);
    } else {
      std::copy_n(given.values.begin() + i * p.d, p.d, row);
    }
  }
  p.num_test = options.test_samples;
  p.test_inputs = Buffer(p.num_test * p.stride);
  for (int64_t i = 0; i < p.num_test; ++i) {
    draw_row(seed, kTestRows + static_cast<uint64_t>(i), p.d, p.test_inputs.data() + i * p.stride);
  }

  p.teacher = options.teacher.empty() ? draw_teacher(options, seed, p.d)
                                      : read_teacher(options.teacher, p.d);
  p.teacher_norm = norm(p.teacher);
  for (int64_t i = 0; i < p.n; ++i) {
    p.targets.push_back(inner(p.input(i), p.teacher.data(), p.d));
    p.squares.push_back(inner(p.input(i), p.input(i), p.d));
  }
  for (int64_t i = 0; i < p.num_test; ++i) {
    p.test_targets.push_back(inner(p.test_inputs.data() + i * p.stride, p.teacher.data(), p.d));
  }
  p.largest_input = std::sqrt(*std::max_element(p.squares.begin(), p.squares.end()));
  fill_moments(p);
  return p;
}

}  // namespace unlazy::synthetic
