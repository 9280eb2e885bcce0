#include "synthetic/theory/phase_two.h"

#include <algorithm>
#include <cmath>

namespace unlazy::synthetic {
namespace {

constexpr int64_t kLooks = 400;
constexpr double kMostSteps = 2e7;

double median_of(std::vector<double> list) {
  const auto middle = list.begin() + static_cast<int64_t>(list.size() / 2);
  std::nth_element(list.begin(), middle, list.end());
  return *middle;
}

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double total = 0;
  for (size_t j = 0; j < a.size(); ++j) total += (a[j] - b[j]) * (a[j] - b[j]);
  return std::sqrt(total);
}

std::vector<double> absolute(std::vector<double> list) {
  for (auto& x : list) x = std::fabs(x);
  return list;
}

// Weights of random directions whose largest |w_i| and |a_i| are `size`.
Buffer small_columns(const Rule& rule, int64_t m, int64_t d, int64_t ld, double size,
                     uint64_t seed) {
  Buffer columns = initial_columns(rule, m, d, ld, 1, seed);
  double w_max = 0, a_max = 0;
  for (int64_t i = 0; i < m; ++i) {
    double w2 = 0;
    for (int64_t j = 0; j < d; ++j) w2 += columns[j * ld + i] * columns[j * ld + i];
    w_max = std::max(w_max, std::sqrt(w2));
    a_max = std::max(a_max, std::fabs(columns[d * ld + i]));
  }
  for (int64_t j = 0; j <= d; ++j) {
    for (int64_t i = 0; i < m; ++i) columns[j * ld + i] *= size / (j < d ? w_max : a_max);
  }
  return columns;
}

}  // namespace

int64_t lemma_width(double lr) { return std::max<int64_t>(1, std::llround(1 / std::sqrt(lr))); }

OscillationProbe probe_oscillation(const ModelOptions& model, double lr, uint64_t seed) {
  constexpr uint64_t kSeeds = 4;
  const Rule rule{.is_full_batch = true, .rate = lr, .lr = lr, .is_oscillation = true};
  ModelOptions lemma = model;
  lemma.width = lemma_width(lr);
  lemma.family = "linear";
  std::vector<Problem> problems;
  std::vector<std::unique_ptr<Engine>> engines;
  for (uint64_t s = 0; s < kSeeds; ++s) problems.push_back(make_problem(lemma, seed + s));
  for (uint64_t s = 0; s < kSeeds; ++s)
    engines.push_back(make_engine(lemma, rule, problems[s], seed + s));
  OscillationProbe probe;
  probe.level = std::sqrt(lr);
  const double most = std::min(1 / (lr * lr), kMostSteps);
  const auto stride =
      std::max<int64_t>(1, static_cast<int64_t>(0.5 * std::log(1 / lr) * std::pow(lr, -1.5) / 100));
  Observation seen;
  while (static_cast<double>(probe.steps + stride) <= most) {
    probe.steps += stride;
    double total = 0;
    for (auto& engine : engines) {
      if (engine->run_to(probe.steps) < probe.steps) return probe;
      engine->observe(seen);
      for (const double norm : seen.norm)
        total += norm * norm / static_cast<double>(seen.norm.size());
    }
    probe.last = total / kSeeds;
    if (probe.last > probe.level) continue;
    probe.reached = probe.steps;
    break;
  }
  return probe;
}

AlignmentProbe probe_alignment(const Problem& problem, double lr, double rate, uint64_t seed) {
  const Rule rule{.is_full_batch = true, .rate = rate, .lr = lr};
  const int64_t m = lemma_width(lr), ld = round_up(m, 32);
  const double log_lr = std::log(1 / lr), size = problem.teacher_norm;
  AlignmentProbe probe;
  probe.t2 = static_cast<int64_t>(std::ceil(std::min(kMostSteps, log_lr / (rate * size))));
  probe.t3 = probe.t2 +
             static_cast<int64_t>(std::ceil(std::min(kMostSteps, log_lr / (rate * size * size))));
  const auto engine = make_gram(
      rule, problem, small_columns(rule, m, problem.d, ld, std::sqrt(lr), seed), m, ld, seed);
  std::vector<int64_t> times = {probe.t2, probe.t3};
  for (int64_t i = 1; i <= kLooks; ++i) times.push_back(probe.t3 * i / kLooks);
  std::sort(times.begin(), times.end());
  Observation seen;
  for (const int64_t time : times) {
    if (engine->run_to(time) < time) return probe;
    engine->observe(seen);
    const auto cos = absolute(seen.cos);
    const double median = median_of(cos), away = distance(seen.theta, problem.teacher);
    if (probe.aligned < 0 && median >= 1 - log_lr * std::sqrt(lr)) probe.aligned = time;
    if (probe.converged < 0 && away <= lr * log_lr) probe.converged = time;
    if (time == probe.t2) {
      probe.cos_min = *std::min_element(cos.begin(), cos.end());
      probe.cos_median = median;
    }
    probe.teacher_distance = away;
  }
  for (size_t i = 0; i < seen.norm.size(); ++i) {
    if (seen.norm[i] < std::sqrt(lr)) continue;
    ++probe.num_large;
    probe.large_cos_min = std::min(probe.large_cos_min, std::fabs(seen.cos[i]));
  }
  return probe;
}

}  // namespace unlazy::synthetic
