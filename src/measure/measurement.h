// Measurements of a network during or after training. A measurement reads; it leaves the run bit
// for bit as it was.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
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
};

/// A number with its name in metrics.csv; a scalar on the device, so that many are read with one
/// wait.
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
};
/// A misuse Error names an unknown measurement when the names are looked up in registry().
OptionTable describe(MeasureOptions& options);

/// Mean loss and accuracy over a whole split in evaluation mode (running BatchNorm statistics,
/// clean labels, no augmentation): scalars in fp64 on the device.
struct Evaluation {
  at::Tensor loss;
  at::Tensor accuracy;
};
Evaluation evaluate(const Subject& subject, const LabelledReader& split);

}  // namespace unlazy::measure
