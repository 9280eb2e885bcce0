#include "synthetic/engine/neurons.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linalg_eigvalsh.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <cmath>

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
  const auto options = at::TensorOptions().dtype(c10::kDouble);
  const auto c = at::from_blob(const_cast<double*>(columns), {d, ld}, options);  // only read
  const auto gram = at::mm(c, c.t());
  // LAPACK refuses what is not finite.
  const double total = gram.trace().item<double>();
  if (!std::isfinite(total)) return std::vector<double>(static_cast<size_t>(d), total);
  const auto values = at::linalg_eigvalsh(gram).clamp_min_(0).sqrt_().flip(0).contiguous();
  const double* first = values.const_data_ptr<double>();
  return {first, first + d};
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
