// What `unlazy synthetic` runs: a model family, its data, a method, and the grid of settings.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/options.h"

namespace unlazy::synthetic {

/// The model and its data. The paper's m, d, n are width, dim, samples.
struct ModelOptions {
  std::string family = "linear";  // f = a^T W x, or "diagonal": f = (u*u - v*v)^T x
  std::string engine = "gram";    // or "direct": all m neurons, for checks
  int64_t width = 1000;
  int64_t dim = 20;
  int64_t samples = 200;
  int64_t test_samples = 1000;
  double teacher_norm = 1;
  int64_t teacher_nonzeros = 0;  // 0: dense
  double init_scale = 1;
  std::string inputs;      // .npy or .csv, [n, d]
  std::string teacher;     // .npy or .csv, d numbers
  int64_t data_seed = -1;  // -1: each seed draws its own data
};
OptionTable describe(ModelOptions& options);

/// The method and the grid: every combination of lr, sigma, rho and seed is one run.
struct MethodOptions {
  std::string method = "label-noise-sgd";  // a name of methods()
  std::string loss = "half";               // 1/2 r^2, or "full": r^2
  std::string noise = "rademacher";        // or "gaussian"
  std::string sampling = "with";           // or "without" replacement
  int64_t batch_size = 1;
  int64_t period = 5000;
  std::vector<double> lr = {1e-3};
  std::vector<double> sigma;  // empty: the method's own default
  std::vector<double> rho;    // likewise
  std::vector<int64_t> seed = {0};
  int64_t num_seeds = 0;  // > 0: seed, seed + 1, ...
  int64_t steps = 1000000;
};
OptionTable describe(MethodOptions& options);

/// What is recorded.
struct RecordOptions {
  int64_t records = 200;
  std::string spacing = "linear";  // or "log"
  std::vector<int64_t> neurons;    // whose full state is recorded; empty: the first four
  std::vector<int64_t>
      snapshots;  // steps at which all neurons are recorded; empty: 0 and three more
  int64_t histogram_bins = 50;
};
OptionTable describe(RecordOptions& options);

struct SyntheticOptions {
  ModelOptions model;
  MethodOptions method;
  RecordOptions record;
};

/// Moves snapshots after the last step to the last step. For snapshots that the user did not ask
/// for, such as those of a preset.
void cut_snapshots(RecordOptions& record, int64_t steps);

/// Fills in values that depend on other options (sigma, rho, seeds, the width of a diagonal
/// network), and checks what a single row cannot check. Throws a misuse Error. Afterwards the
/// options say completely what will run.
void resolve(SyntheticOptions& options);

/// One run of the grid.
struct Setting {
  double lr = 0, sigma = 0, rho = 0;
  uint64_t seed = 0;
  int64_t group = 0;  // the same for runs that differ only in the seed
};
/// All runs of resolved options, group by group.
std::vector<Setting> settings(const SyntheticOptions& options);

}  // namespace unlazy::synthetic
