// One training run, built from its options: data, network, optimizer, noise, step.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/device.h"
#include "core/options.h"
#include "data/batches.h"
#include "data/dataset.h"
#include "measure/measurement.h"
#include "models/model.h"
#include "noise/label_noise.h"
#include "optim/flat_parameters.h"
#include "optim/loss.h"
#include "optim/optimizer.h"
#include "optim/rho_schedule.h"
#include "optim/schedule.h"
#include "train/linearise_options.h"
#include "train/train_step.h"

namespace unlazy::train {

/// --out, --seed, --epochs, --max-steps, --checkpoint-every, ...
struct RunOptions {
  std::string out;  // empty: default_out()
  bool resume = false;
  bool dry_run = false;
  bool overwrite = false;
  int64_t seed = 0;
  double epochs = 160;
  int64_t max_steps = 0;  // 0: no limit but epochs
  int64_t accumulate = 1;
  int64_t eval_batch = 500;
  double curve_ema = 0.9;
  Step checkpoint_every = Step::epochs(1);
  int64_t keep_checkpoints = 1;
  std::vector<Step> checkpoint_at = {};
  std::string weights;  // start from these instead of the initialisation
  std::string mask;     // hold the weights that it prunes at 0
  Step start_at = Step::iterations(0);
  bool cuda_graph = true;
};

/// All options of `unlazy train`.
struct TrainOptions {
  data::DataOptions data;
  data::BatchOptions batch;
  models::ModelOptions model;
  LineariseOptions linearise;
  noise::NoiseOptions noise;
  optim::LossOptions loss;
  optim::OptimizerOptions optimizer;
  optim::ScheduleOptions schedule;
  RunOptions run;
  measure::MeasureOptions measure;
  ComputeOptions compute;
};
std::vector<OptionTable> describe(TrainOptions& options);
/// The step after the last: --epochs, limited by --max-steps. Throws a misuse Error when epochs > 0
/// is less than half a step.
int64_t last_step(const RunOptions& options, int64_t steps_per_epoch);
/// "runs/resnet18-cifar10-flip0.1-seed0"
std::string default_out(const TrainOptions& options);

/// The objects of a run. They all live as long as this.
class Experiment {
 public:
  /// Reads the data and builds everything; takes seconds. Throws misuse Errors for options that
  /// exclude each other.
  explicit Experiment(TrainOptions options);
  ~Experiment();
  Experiment(const Experiment&) = delete;
  Experiment& operator=(const Experiment&) = delete;

  const TrainOptions& options() const { return options_; }
  const Compute& compute() const { return compute_; }
  int64_t steps_per_epoch() const { return order_->steps_per_epoch(); }
  /// The first step: --start-at.
  int64_t begin() const { return begin_; }
  /// The step after the last.
  int64_t end() const { return end_; }

  /// Runs the update at `step`.
  void run_step(int64_t step) { step_->run(order_->indices(step), step); }
  /// The augmented images of the batch at `step`, as run_step() reads them.
  at::Tensor read_batch(int64_t step) {
    return train_reader_->training_batch(order_->indices(step), step);
  }
  /// The samples of the batch at `step`, as indices into the training set.
  std::vector<int64_t> indices(int64_t step) { return order_->indices(step); }
  /// The size of the batch at `step`.
  int64_t batch_size(int64_t step) { return static_cast<int64_t>(order_->indices(step).size()); }

  TrainStep& step() { return *step_; }
  models::Model& model() { return *model_; }
  optim::FlatParameters& parameters() { return *parameters_; }
  optim::Optimizer& optimizer() { return *optimizer_; }
  const optim::Loss& loss() const { return *loss_; }
  const optim::Schedule& schedule() const { return *schedule_; }
  const optim::RhoSchedule& rho_schedule() const { return *rho_schedule_; }
  const noise::NoiseSchedule& noise_schedule() const { return *noise_schedule_; }
  const data::Splits& splits() const { return splits_; }
  measure::Subject subject();

  /// Weights and buffers under PyTorch's names, in master precision: the content of
  /// model.safetensors. The tensors share memory with the run; after changing weights call
  /// parameters().publish().
  std::vector<std::pair<std::string, at::Tensor>> named_tensors();
  /// Collects BatchNorm's statistics at the present weights, over --linearise-bn-samples training
  /// images: those with which a network is linearised.
  void collect_statistics();
  /// For a linearised network: theta0 and the buffers, the content of theta0.safetensors.
  std::vector<std::pair<std::string, at::Tensor>> start_tensors();

 private:
  void make_readers();
  void linearise();
  void load_weights(const std::string& path);
  void check_largest_pass();
  void check_smallest_pass();

  TrainOptions options_;
  Compute compute_;
  data::Splits splits_;
  std::shared_ptr<models::Model> model_;
  std::unique_ptr<optim::FlatParameters> parameters_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  std::unique_ptr<optim::Loss> loss_;
  std::unique_ptr<optim::Schedule> schedule_;
  std::unique_ptr<optim::RhoSchedule> rho_schedule_;
  std::unique_ptr<noise::LabelNoise> noise_;
  std::unique_ptr<noise::NoiseSchedule> noise_schedule_;
  std::unique_ptr<data::BatchOrder> order_;
  std::unique_ptr<data::BatchReader> train_reader_, test_reader_;
  std::unique_ptr<TrainStep> step_;
  at::Tensor train_labels_, test_labels_;  // on the device
  at::Tensor initial_values_;
  int64_t begin_ = 0, end_ = 0;
};

}  // namespace unlazy::train
