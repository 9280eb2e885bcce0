#include "synthetic/engine/householder.h"

#include <cmath>
#include <vector>

namespace unlazy::synthetic {
namespace {

// Four sums, so that the additions do not wait for each other.
double dot(const double* a, const double* b, int64_t count) {
  double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  int64_t i = 0;
  for (; i + 4 <= count; i += 4) {
    s0 += a[i] * b[i];
    s1 += a[i + 1] * b[i + 1];
    s2 += a[i + 2] * b[i + 2];
    s3 += a[i + 3] * b[i + 3];
  }
  for (; i < count; ++i) s0 += a[i] * b[i];
  return (s0 + s1) + (s2 + s3);
}

// column <- (I - tau v v^T) column, with v = (1, tail)
void reflect(double* column, const double* tail, double tau, int64_t tail_count) {
  const double along = tau * (column[0] + dot(column + 1, tail, tail_count));
  column[0] -= along;
  for (int64_t i = 0; i < tail_count; ++i) column[i + 1] -= along * tail[i];
}

// Turns a column (head, tail) into (beta, 0): leaves beta in the head, the rest of v = (1, ..) in
// the tail; returns tau.
double make_reflection(double* column, int64_t tail_count) {
  const double rest = dot(column + 1, column + 1, tail_count);
  if (rest == 0) return 0;
  const double head = column[0], beta = -std::copysign(std::sqrt(head * head + rest), head);
  const double scale = 1 / (head - beta);
  for (int64_t i = 1; i <= tail_count; ++i) column[i] *= scale;
  column[0] = beta;
  return (beta - head) / beta;
}

}  // namespace

Buffer thin_qr(double* columns, int64_t m, int64_t k, int64_t ld, int64_t r_ld) {
  std::vector<double> tau(static_cast<size_t>(k));
  const auto at = [&](int64_t i, int64_t j) { return columns + j * ld + i; };
  for (int64_t j = 0; j < k; ++j) {
    tau[static_cast<size_t>(j)] = make_reflection(at(j, j), m - j - 1);
    for (int64_t c = j + 1; c < k; ++c) {
      reflect(at(j, c), at(j + 1, j), tau[static_cast<size_t>(j)], m - j - 1);
    }
  }
  Buffer r(k * r_ld);
  for (int64_t j = 0; j < k; ++j) {
    for (int64_t i = 0; i <= j; ++i) r[j * r_ld + i] = *at(i, j);
  }
  // Q = H_0 ... H_{k-1} (I; 0), from the last reflection to the first, each column formed where its
  // v was.
  for (int64_t j = k - 1; j >= 0; --j) {
    const double t = tau[static_cast<size_t>(j)];
    for (int64_t c = j + 1; c < k; ++c) reflect(at(j, c), at(j + 1, j), t, m - j - 1);
    for (int64_t i = j + 1; i < m; ++i) *at(i, j) *= -t;
    *at(j, j) = 1 - t;
    for (int64_t i = 0; i < j; ++i) *at(i, j) = 0;
  }
  return r;
}

}  // namespace unlazy::synthetic
