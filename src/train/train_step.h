// One update: gather and augment, noise, forward, backward, update. It never waits for the device,
// so that the host runs ahead of a GPU and the same function can be captured into a CUDA graph.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/batches.h"
#include "models/model.h"
#include "noise/label_noise.h"
#include "optim/flat_parameters.h"
#include "optim/loss.h"
#include "optim/optimizer.h"
#include "optim/rho_schedule.h"
#include "optim/schedule.h"
#include "train/control_block.h"

namespace unlazy::train {

/// Averages over the training batches since the last reset, for the labels that the network saw.
struct TrainTotals {
  int64_t samples = 0;
  double loss = 0;      // of the noisy targets, as minimised
  double accuracy = 0;  // predictions equal to the true class
  double accuracy_clean =
      0;  // the same on samples whose label was not flipped; nan without such samples
  double accuracy_flipped = 0;   // the same on samples whose label was flipped
  double memorized_flipped = 0;  // predictions equal to the flipped label, on those samples
  double flipped_fraction = 0;   // of the samples
  int64_t first_bad_step = -1;   // the first step whose loss was not finite; -1: none
};

/// What the step works on. Everything must outlive the step.
struct StepParts {
  models::Model& model;
  optim::FlatParameters& parameters;
  optim::Optimizer& optimizer;
  const optim::Loss& loss;
  const optim::Schedule& schedule;
  const optim::RhoSchedule& rho_schedule;
  const data::BatchReader& reader;
  const noise::LabelNoise& noise;
  const noise::NoiseSchedule& noise_schedule;
  std::vector<int64_t> labels;  // [N] true classes, on the host
  int64_t num_classes;
  int64_t num_parts;  // a batch is computed in this many parts whose gradients are added (gradient
                      // accumulation)
  uint64_t seed;
  bool use_graph;  // capture the step into a CUDA graph (CUDA only)
};

/// The labels of one batch on the device.
struct StagedLabels {
  at::Tensor labels;   // [B] int64, true classes
  at::Tensor seen;     // [B] int64, the classes after label noise
  at::Tensor targets;  // what the loss uses: `seen`, or [B, K] for regression
};

class TrainStep {
 public:
  explicit TrainStep(StepParts parts);
  ~TrainStep();

  /// The update at `step` on the samples `indices` (indices into the training set).
  void run(const std::vector<int64_t>& indices, int64_t step);

  /// The host's part of the update at `step`: all that run() decides before the device works.
  ControlBlock prepare(const std::vector<int64_t>& indices, int64_t step) const;

  /// The labels that the update at `step` sees for `indices`, for code that repeats the same draws.
  StagedLabels stage_labels(const std::vector<int64_t>& indices, int64_t step) const;

  /// The averages since the last reset. Waits for the device.
  TrainTotals totals() const;
  void reset_totals();
  /// Why steps are run one operation at a time although a CUDA graph was wanted; empty where they
  /// are not, or while that is not known.
  std::string graph_problem() const;
  /// Are steps of some kind replayed from a CUDA graph?
  bool is_captured() const;
  /// The kernels of the longest captured step; 0 without one.
  int64_t num_kernels() const;
  /// The running sums behind totals(), for a checkpoint in the middle of an epoch.
  const at::Tensor& sums() const { return sums_; }

 private:
  // One batch on the device.
  struct Batch {
    at::Tensor images;  // [B, C, H, W]
    StagedLabels labels;
    at::Tensor step;  // scalar int64
  };

  void compute(const ControlBlock::Parts& control, bool is_perturbed);
  void gradient(const Batch& batch, bool updates_statistics, const Span& samples);
  void account(const at::Tensor& logits, const at::Tensor& loss, const at::Tensor& labels,
               const at::Tensor& seen, const at::Tensor& step);

  StepParts parts_;
  at::Tensor sums_;  // fp64 [cuda::kNumAccountSums] on the device
  struct Graph;
  std::unique_ptr<Graph> graph_;
};

}  // namespace unlazy::train
