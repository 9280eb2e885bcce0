#include "synthetic/options.h"

#include <algorithm>

#include "core/error.h"
#include "core/format.h"
#include "synthetic/matrix_file.h"
#include "synthetic/method.h"

namespace unlazy::synthetic {
namespace {

// The methods of which `is_meant` is true.
std::vector<std::string> methods_that(bool (*is_meant)(const Method& method)) {
  std::vector<std::string> names;
  for (const auto& entry : methods().entries()) {
    if (is_meant(entry.make())) names.push_back(entry.name);
  }
  return names;
}

// The method's default where nothing was given; refuses values that the method would not use.
void resolve_list(std::vector<double>& list, double fallback, bool is_taken, const char* flag,
                  const std::string& method, const char* advice) {
  if (list.empty()) list = {fallback};
  const bool is_unused =
      is_taken || std::all_of(list.begin(), list.end(), [](double x) { return x == 0; });
  UNLAZY_CHECK_USAGE(is_unused, "synthetic: method ", method, " does not use --", flag, "; ",
                     advice);
}

void resolve_seeds(MethodOptions& o) {
  UNLAZY_CHECK_USAGE(!o.seed.empty(), "synthetic: --seed needs at least one number");
  if (o.num_seeds == 0) return;
  const int64_t first = o.seed.front();
  o.seed.clear();
  for (int64_t i = 0; i < o.num_seeds; ++i) o.seed.push_back(first + i);
  o.num_seeds = 0;
}

void resolve_snapshots(RecordOptions& record, int64_t steps) {
  if (record.snapshots.empty()) record.snapshots = {0, steps / 10, steps * 3 / 10, steps};
  std::sort(record.snapshots.begin(), record.snapshots.end());
  record.snapshots.erase(std::unique(record.snapshots.begin(), record.snapshots.end()),
                         record.snapshots.end());
  UNLAZY_CHECK_USAGE(record.snapshots.back() <= steps,
                     "synthetic: --snapshots must be <= --steps (", steps, "), got ",
                     record.snapshots.back());
}

}  // namespace

OptionTable describe(ModelOptions& o) {
  return {
      "Model and data",
      {
          {.name = "family",
           .target = &o.family,
           .help = "Model family.",
           .choices =
               {{"linear", "f = a^T W x, both layers trained."},
                {"diagonal",
                 "f = (u*u - v*v)^T x (HaoChen et al. 2021); --init-scale is the first u = v."}}},
          {.name = "engine",
           .target = &o.engine,
           .help = "How the linear network is simulated.",
           .choices = {{"gram", "Exactly, on d + 1 neurons: cost does not depend on the width."},
                       {"direct", "All neurons, as written in the paper; slow, for checks."}},
           .only_for = {{"family", {"linear"}}}},
          {.name = "width",
           .target = &o.width,
           .range = Range::closed(1, 1e8),
           .unit = "neurons",
           .help = "Number of neurons m of the linear network (the diagonal network has --dim "
                   "neurons).",
           .only_for = {{"family", {"linear"}}}},
          {.name = "dim",
           .target = &o.dim,
           .range = Range::closed(1, 10000),
           .help = "Input dimension d; with --inputs, that of the file."},
          {.name = "samples",
           .target = &o.samples,
           .range = Range::closed(1, 1e8),
           .help = "Number of training samples n; with --inputs, that of the file."},
          {.name = "test-samples",
           .target = &o.test_samples,
           .range = Range::closed(1, 1e8),
           .help = "Number of Gaussian test samples."},
          {.name = "teacher-norm",
           .target = &o.teacher_norm,
           .range = Range::at_least(0),
           .help = "Norm of theta*; not used with --teacher."},
          {.name = "teacher-nonzeros",
           .target = &o.teacher_nonzeros,
           .range = Range::at_least(0),
           .help = "Number of entries of theta* that are not 0; 0: all of them."},
          {.name = "init-scale",
           .target = &o.init_scale,
           .range = Range::above(0),
           .help = "Factor that scales the initial W and a, which are drawn from N(0, 1/d) and "
                   "N(0, 1/m)."},
          {.name = "inputs",
           .target = &o.inputs,
           .help = "Training inputs [n, d] from a .npy or .csv file instead of N(0, I)."},
          {.name = "teacher",
           .target = &o.teacher,
           .help = "theta* (d numbers) from a .npy or .csv file."},
          {.name = "data-seed",
           .target = &o.data_seed,
           .range = Range::at_least(-1),
           .help = "Seed of inputs and teacher; -1 draws them anew for each --seed."},
      }};
}

OptionTable describe(MethodOptions& o) {
  const auto noisy = methods_that([](const Method& method) { return method.takes_sigma; });
  const auto periodic = methods_that([](const Method& method) { return method.rule.period > 0; });
  return {"Method",
          {
              {.name = "method",
               .target = &o.method,
               .help = "Training method.",
               .choices = methods().choices()},
              {.name = "loss",
               .target = &o.loss,
               .help = "Loss of a residual r.",
               .choices = {{"half", "1/2 r^2, as in the paper's Eq. 1."},
                           {"full", "r^2: doubles every gradient."}}},
              {.name = "lr",
               .target = &o.lr,
               .range = Range::above(0),
               .help = "Learning rate eta, one or several."},
              {.name = "sigma",
               .target = &o.sigma,
               .range = Range::at_least(0),
               .help = "Size of the label noise, one or several; empty means 4 for label-noise-sgd "
                       "and periodic, else 0."},
              {.name = "noise",
               .target = &o.noise,
               .help = "Distribution of the label noise.",
               .choices = {{"rademacher", "+sigma or -sigma."}, {"gaussian", "N(0, sigma^2)."}},
               .only_for = {{"method", noisy}}},
              {.name = "rho",
               .target = &o.rho,
               .range = Range::at_least(0),
               .help = "SAM's radius, one or several; empty means 0.3 for sam, else 0."},
              {.name = "batch-size",
               .target = &o.batch_size,
               .range = Range::closed(1, 1e6),
               .unit = "samples",
               .help = "Samples per step."},
              {.name = "sampling",
               .target = &o.sampling,
               .help = "How a step draws its samples.",
               .choices = {{"with", "Uniformly, with replacement."},
                           {"without", "From a fresh random order every epoch."}}},
              {.name = "period",
               .target = &o.period,
               .range = Range::at_least(1),
               .unit = "steps",
               .help = "Periodic noise is on for this long, then off for as long, and so on.",
               .only_for = {{"method", periodic}}},
              {.name = "steps",
               .target = &o.steps,
               .range = Range::closed(1, 1e12),
               .help = "Number of update steps."},
              {.name = "seed",
               .target = &o.seed,
               .range = Range::at_least(0),
               .help = "Seed, one or several."},
              {.name = "num-seeds",
               .target = &o.num_seeds,
               .range = Range::closed(0, 100000),
               .help = "Run this many seeds, from the first --seed up; 0: those listed."},
          }};
}

OptionTable describe(RecordOptions& o) {
  return {
      "Records",
      {
          {.name = "records",
           .target = &o.records,
           .range = Range::closed(1, 1e6),
           .help = "Number of recorded steps."},
          {.name = "spacing",
           .target = &o.spacing,
           .help = "Spacing of the recorded steps.",
           .choices = {{"log", "Logarithmic from step 1."},
                       {"linear",
                        "Evenly spaced, with 40 logarithmically spaced ones before the first."}}},
          {.name = "neurons",
           .target = &o.neurons,
           .range = Range::at_least(0),
           .help =
               "Neurons whose full state is recorded; empty means the first four (diagonal: 200)."},
          {.name = "snapshots",
           .target = &o.snapshots,
           .range = Range::at_least(0),
           .help = "Steps at which every neuron is recorded; empty means 0, 10 %, 30 % and 100 % "
                   "of --steps."},
          {.name = "histogram-bins",
           .target = &o.histogram_bins,
           .range = Range::closed(1, 10000),
           .help = "Number of bins in the histogram of neuron norms."},
      }};
}

void cut_snapshots(RecordOptions& record, int64_t steps) {
  const auto cut = std::erase_if(record.snapshots, [&](int64_t step) { return step > steps; });
  const bool has_last = std::ranges::find(record.snapshots, steps) != record.snapshots.end();
  if (cut > 0 && !has_last) record.snapshots.push_back(steps);
}

void resolve(SyntheticOptions& options) {
  auto& [model, method, record] = options;
  if (!model.inputs.empty()) {
    const Matrix inputs = read_matrix(model.inputs);
    model.samples = inputs.rows;
    model.dim = inputs.cols;
  }
  const Method kind = methods().find(method.method).make();
  resolve_list(method.sigma, kind.default_sigma, kind.takes_sigma, "sigma", method.method,
               "use label-noise-sgd (with --batch-size for larger batches)");
  resolve_list(method.rho, kind.default_rho, kind.takes_rho, "rho", method.method, "use sam");
  UNLAZY_CHECK_USAGE(!method.lr.empty(), "synthetic: --lr needs at least one number");
  UNLAZY_CHECK_USAGE(kind.takes_batch || method.batch_size == 1, "synthetic: method ",
                     method.method,
                     " uses the whole training set; leave out --batch-size or use sgd");
  UNLAZY_CHECK_USAGE(
      model.family == "linear" || !kind.rule.is_oscillation,
      "synthetic: method oscillation is defined for the linear family only; use --family linear");
  UNLAZY_CHECK_USAGE(model.teacher_nonzeros <= model.dim,
                     "synthetic: --teacher-nonzeros must be <= --dim (", model.dim, "), got ",
                     model.teacher_nonzeros);
  if (kind.rule.is_oscillation) model.engine = "direct";  // a's chain is not linear in U
  resolve_seeds(method);
  resolve_snapshots(record, method.steps);
  const int64_t width = model.family == "diagonal" ? model.dim : model.width;
  if (record.neurons.empty()) {
    for (int64_t i = 0; i < std::min<int64_t>(model.family == "diagonal" ? 200 : 4, width); ++i)
      record.neurons.push_back(i);
  }
  for (const int64_t i : record.neurons) {
    UNLAZY_CHECK_USAGE(i < width, "synthetic: --neurons must be < ", width,
                       " (the number of neurons), got ", i);
  }
}

std::vector<Setting> settings(const SyntheticOptions& options) {
  const auto& o = options.method;
  std::vector<Setting> list;
  int64_t group = 0;
  for (const double lr : o.lr) {
    for (const double sigma : o.sigma) {
      for (const double rho : o.rho) {
        for (const int64_t seed : o.seed)
          list.push_back({lr, sigma, rho, static_cast<uint64_t>(seed), group});
        ++group;
      }
    }
  }
  return list;
}

}  // namespace unlazy::synthetic
