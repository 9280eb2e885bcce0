// Measurements of a network during or after training. A measurement only reads; the run stays bit
// for bit as it was.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/options.h"
#include "core/registry.h"
#include "data/batches.h"
#include "models/model.h"
#include "optim/flat_parameters.h"
#include "optim/loss.h"

namespace unlazy::measure {

/// One split as a measurement sees it.
struct LabelledReader {
  const data::BatchReader& reader;
  at::Tensor labels;  // [N] int64 on the device, true classes
};

/// Settings of the measurements that differentiate: --measure-split, --measure-samples, ...
struct ProbeOptions {
  std::string split = "train";         // train, test
  int64_t samples = 256;               // use the first N of the split; 0: all
  std::string statistics = "running";  // running, recalibrated: of BatchNorm
  int64_t statistics_samples = 2560;   // training images that recalibrated averages over; 0: all
  int64_t top = 3;                     // eigenvalues of hessian-top
  int64_t probes = 16;                 // random vectors of the estimates
  int64_t lanczos_steps = 80;          // at most
  double rho = 0.05;                   // radius of sharpness
  int64_t group = 16;                  // B of the gradient covariance
  int64_t taylor_order = 1;            // 2: lazy-distance also to the polynomial of order 2
  int64_t ntk_memory = 1024;           // MiB for the kernels of ntk-change
};
/// `prefix` is put before the name of each flag ("measure-" in `unlazy train`).
OptionTable describe(ProbeOptions& options, const std::string& prefix);

/// What is measured.
struct Subject {
  models::Model& model;
  const optim::FlatParameters& parameters;
  const optim::Loss& loss;
  LabelledReader train;
  LabelledReader test;
  at::Tensor initial_values;  // [P] master values at initialisation
  int64_t num_classes;
  int64_t batch_size;  // of evaluation
  ProbeOptions probe = {};
  std::function<void(int64_t done, int64_t at_most)> on_progress = {};  // of long measurements

  void report(int64_t done, int64_t at_most) const {
    if (on_progress) on_progress(done, at_most);
  }
};

/// A number with its name in metrics.csv: a scalar on the device, so that many of them are read
/// with one wait. A curve [n] is only written to measure-STEP.json, not to metrics.csv.
struct Value {
  std::string name;
  at::Tensor value;
};

using Measure = std::vector<Value>(const Subject& subject);
/// All measurements. A name may write several values.
const Registry<Measure>& registry();

/// --measure, --measure-every
struct MeasureOptions {
  std::vector<std::string> names = {"test", "weight-norm", "gradient-norm", "distance"};
  Step every = Step::epochs(1);
  ProbeOptions probe = {};  // described by a table of its own
};
OptionTable describe(MeasureOptions& options);

/// A measurement and how often it is made.
struct Request {
  std::string name;
  Step every;
  bool is_log = false;  // at is_log_step() instead
};
/// The steps of "every=log": 0, 1, 2, 3, 5, 7, 10, 20, 30, 50, .., for what changes fast at first.
bool is_log_step(int64_t step);
/// Parses the entries of --measure: "test", "hessian-top:every=10ep", "ntk-change:every=log". Throws
/// a misuse Error for an unknown name or setting.
std::vector<Request> requests(const MeasureOptions& options);

/// Throws a misuse Error when measurement `name` means nothing to a linearised network, or to its
/// Taylor polynomial of order 2.
void check_linearised(const std::string& name, int64_t order);

/// Reads all values with one wait for the device. A scalar becomes one number.
std::vector<std::pair<std::string, std::vector<double>>> to_host(const std::vector<Value>& values);

/// Mean loss and accuracy over a whole split in evaluation mode (running BatchNorm statistics,
/// clean labels, no augmentation): scalars in fp64 on the device.
struct Evaluation {
  at::Tensor loss;
  at::Tensor accuracy;
};
Evaluation evaluate(const Subject& subject, const LabelledReader& split);

/// Collects BatchNorm's running statistics again (models::recalibrate): the network as it is now
/// sees the first `samples` training images (0: all) in training mode, augmented as in training, in
/// batches of subject.batch_size. Images and crops do not depend on the step of training. The
/// buffers are overwritten; SavedBuffers (evaluation_mode.h) brings them back. `dtype` is that of
/// the network's weights.
void recalibrate(const Subject& subject, int64_t samples, c10::ScalarType dtype);

}  // namespace unlazy::measure
