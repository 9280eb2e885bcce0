// Runs of the grid: moves the engine from one record to the next and keeps what is recorded.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "report/band.h"
#include "synthetic/engine/engine.h"

namespace unlazy::synthetic {

/// The network at one time. Losses are against clean targets, 1/2 r^2 or r^2 as in the run.
struct Record {
  int64_t step = 0;
  double train_loss = 0, test_loss = 0;
  double norm_mean = 0, norm_median = 0, norm_min = 0, norm_max = 0, norm_square_mean = 0;
  double align_mean = 0, align_abs_mean = 0, cos_abs_mean = 0, a_abs_mean = 0;
  double teacher_distance = 0;  // |theta - theta*|
  double moved_mean = 0;        // mean |w_i - w_i(0)|
  double outside_share = 0;     // of neurons with |w_i - w_i(0)| > 1/sqrt(m), Definition 1
  double effective_rank =
      0;  // exp of the entropy of W's normalised singular values (Roy and Vetterli 2007)
};

/// `loss_factor` is 1/2 or 1, `ball` the radius of Definition 1.
Record summarise(const Observation& seen, const Problem& problem, double loss_factor, double ball,
                 int64_t step);

/// The columns of curves.csv: every number of a Record is listed here and only here.
struct Quantity {
  std::string name, help;
  double Record::*value;
};
const std::vector<Quantity>& quantities();

/// The full state of one neuron at one time.
struct NeuronRecord {
  int64_t step = 0, neuron = 0;
  double norm = 0, align = 0, cos = 0, a = 0, moved = 0;
  std::vector<double> weights;  // [d + 1]: w and a; diagonal: u, v
};

/// All neurons at one time; if there are more than some thousands, an evenly spaced selection.
struct Snapshot {
  int64_t step = 0;
  std::vector<int64_t> neuron;
  std::vector<double> norm, align, cos, a, moved;
};

struct RunResult {
  Setting setting;
  int64_t num_neurons = 0, d = 0;
  double teacher_norm = 0, largest_input = 0;
  std::vector<Record> records;
  double bin_width = 0;  // of the histograms of |w_i|; the last bin also holds larger values
  std::vector<std::vector<int64_t>> histograms;  // [records, bins]
  std::vector<NeuronRecord> neurons;
  std::vector<Snapshot> snapshots;
  std::vector<int64_t> escape;  // [m], first recorded step outside the ball, -1 never
  int64_t diverged_at = -1;     // the step whose residual was not finite, -1 none
  double step_seconds = 0;      // spent in steps, not in records
};

/// The recorded steps, from 0 to the last, ascending.
std::vector<int64_t> record_times(const SyntheticOptions& options);

/// One run with resolved options. `should_stop` is asked at every record, and between records in
/// long runs of steps.
RunResult simulate(const SyntheticOptions& options, const Setting& setting,
                   const std::function<bool()>& should_stop = {});

/// All runs over `threads` threads (0: all cores, but fewer when memory would not suffice for very
/// wide runs). The results do not depend on the number of threads. `on_done` is called after each
/// run, by one thread at a time.
std::vector<RunResult> simulate_all(
    const SyntheticOptions& options, int64_t threads,
    const std::function<void(int64_t done, int64_t total)>& on_done = {},
    const std::function<bool()>& should_stop = {});

/// "synthetic: lr 0.01, sigma 4, rho 0, seed 0 diverged at step 123; ..."; empty if none diverged.
std::string divergence_message(const SyntheticOptions& options,
                               const std::vector<RunResult>& results);

/// Mean and standard deviation of a quantity over the seeds of a group, at each time that all its
/// runs reached.
report::Band band_over_seeds(const std::vector<RunResult>& results, int64_t group,
                             double Record::*value);

}  // namespace unlazy::synthetic
