// Small problems and comparisons for the tests of the synthetic room.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "synthetic/records/run.h"

namespace unlazy::synthetic::testing {

/// Resolved options of a small linear network, cheap enough for the direct engine.
inline SyntheticOptions small_options(const std::string& method, int64_t m, int64_t d,
                                      int64_t batch = 1) {
  SyntheticOptions o;
  o.model.width = m;
  o.model.dim = d;
  o.model.samples = 40;
  o.model.test_samples = 20;
  o.method.method = method;
  o.method.batch_size = batch;
  o.method.lr = {2e-3};
  o.method.period = 50;
  o.method.steps = 1000;
  if (method == "label-noise-sgd" || method == "periodic") o.method.sigma = {1};
  return o;
}

/// The largest difference between two lists, relative to the largest entry.
inline double relative_difference(const std::vector<double>& a, const std::vector<double>& b) {
  double difference = a.size() == b.size() ? 0 : INFINITY, size = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    difference = std::max(difference, std::fabs(a[i] - b[i]));
    size = std::max(size, std::fabs(b[i]));
  }
  return size > 0 ? difference / size : difference;
}

inline double relative_difference(const Observation& a, const Observation& b) {
  return std::max({relative_difference(a.norm, b.norm), relative_difference(a.align, b.align),
                   relative_difference(a.a, b.a), relative_difference(a.distance, b.distance),
                   relative_difference(a.theta, b.theta)});
}

/// Runs the engine called `engine` and observes it at `step`.
inline Observation observe_at(SyntheticOptions options, const std::string& engine, int64_t step) {
  options.model.engine = engine;
  resolve(options);
  const Setting setting = settings(options).front();
  const Problem problem = make_problem(options.model, setting.seed);
  const auto running =
      make_engine(options.model, make_rule(options, setting, problem.n), problem, setting.seed);
  EXPECT_EQ(running->run_to(step), step);
  Observation seen;
  running->observe(seen);
  return seen;
}

}  // namespace unlazy::synthetic::testing
