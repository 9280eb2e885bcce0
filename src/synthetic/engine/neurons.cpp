#include "synthetic/engine/neurons.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/rng.h"

namespace unlazy::synthetic {

void resize(Observation& out, int64_t m, int64_t d) {
  for (auto* list : {&out.norm, &out.align, &out.cos, &out.a, &out.distance})
    list->resize(static_cast<size_t>(m));
  out.theta.resize(static_cast<size_t>(d));
}

double cosine(double align, double norm, double teacher_norm) {
  const double size = norm * teacher_norm;
  return size > 0 ? std::clamp(align / size, -1.0, 1.0) : 0.0;
}

void observe_block(const double* now, const double* change, int64_t ld, int64_t first,
                   int64_t count, const Problem& problem, Observation& out) {
  constexpr int64_t kAtOnce = 32;
  for (int64_t begin = 0; begin < count; begin += kAtOnce) {
    const int64_t size = std::min(kAtOnce, count - begin);
    double norm2[kAtOnce] = {}, align[kAtOnce] = {}, distance2[kAtOnce] = {};
    for (int64_t j = 0; j < problem.d; ++j) {
      const double* w = now + j * ld + begin;
      const double* moved = change + j * ld + begin;
      const double t = problem.teacher[static_cast<size_t>(j)];
      for (int64_t i = 0; i < size; ++i) {
        norm2[i] += w[i] * w[i];
        align[i] += w[i] * t;
        distance2[i] += moved[i] * moved[i];
      }
    }
    for (int64_t i = 0; i < size; ++i) {
      const auto neuron = static_cast<size_t>(first + begin + i);
      out.norm[neuron] = std::sqrt(norm2[i]);
      out.align[neuron] = align[i];
      out.cos[neuron] = cosine(align[i], out.norm[neuron], problem.teacher_norm);
      out.distance[neuron] = std::sqrt(distance2[i]);
      out.a[neuron] = now[problem.d * ld + begin + i];
    }
  }
}

void observe_whole(const double* columns, int64_t ld, const Problem& problem, Observation& out) {
  vector_loops().transposed_times(columns, ld, problem.d, columns + problem.d * ld,
                                  out.theta.data());
  out.spectrum = singular_values(columns, ld, problem.d);
}

std::vector<double> singular_values(const double* columns, int64_t ld, int64_t d) {
  const auto n = static_cast<size_t>(d);
  std::vector<double> s(n * n);
  for (size_t j = 0; j < n; ++j) {
    vector_loops().transposed_times(columns, ld, d, columns + static_cast<int64_t>(j) * ld,
                                    s.data() + j * n);
  }
  double total = 0;
  for (size_t j = 0; j < n; ++j) total += s[j * n + j];
  if (!std::isfinite(total)) return std::vector<double>(n, total);
  for (int round = 0; round < 30; ++round) {
    double off = 0;
    for (size_t p = 0; p < n; ++p) {
      for (size_t q = p + 1; q < n; ++q) {
        const double x = s[p * n + q];
        off += x * x;
        if (std::fabs(x) <= 1e-18 * total) continue;
        const double theta = (s[q * n + q] - s[p * n + p]) / (2 * x);
        const double t =
            std::copysign(1.0, theta) / (std::fabs(theta) + std::sqrt(theta * theta + 1));
        const double c = 1 / std::sqrt(t * t + 1), sine = t * c;
        for (size_t k = 0; k < n; ++k) {
          const double kp = s[k * n + p], kq = s[k * n + q];
          s[k * n + p] = c * kp - sine * kq;
          s[k * n + q] = sine * kp + c * kq;
        }
        for (size_t k = 0; k < n; ++k) {
          const double pk = s[p * n + k], qk = s[q * n + k];
          s[p * n + k] = c * pk - sine * qk;
          s[q * n + k] = sine * pk + c * qk;
        }
      }
    }
    if (off <= 1e-26 * total * total) break;
  }
  std::vector<double> values(n);
  for (size_t j = 0; j < n; ++j) values[j] = std::sqrt(std::max(0.0, s[j * n + j]));
  std::sort(values.rbegin(), values.rend());
  return values;
}

Buffer initial_columns(const Rule& rule, int64_t m, int64_t d, int64_t ld, double scale,
                       uint64_t seed) {
  Buffer columns((d + 1) * ld);
  const double w_scale = scale / std::sqrt(static_cast<double>(d)),
               a_scale = scale / std::sqrt(static_cast<double>(m));
  const double level = std::pow(rule.lr, 0.25);
  for (int64_t i = 0; i < m; ++i) {
    Rng rng(seed, Stream::kInit, static_cast<uint64_t>(i));
    for (int64_t j = 0; j < d; ++j) columns[j * ld + i] = w_scale * rng.normal();
    columns[d * ld + i] = rule.is_oscillation ? (rng.bernoulli(0.5) ? 0.0 : level * rng.sign())
                                              : a_scale * rng.normal();
  }
  return columns;
}

}  // namespace unlazy::synthetic
