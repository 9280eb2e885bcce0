#include "train/experiment.h"

#include <ATen/core/grad_mode.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "core/error.h"
#include "core/format.h"
#include "linearise/linearised_model.h"
#include "models/frozen_statistics.h"
#include "models/weights.h"
#include "prune/mask.h"

namespace unlazy::train {
namespace {

OptionTable describe(RunOptions& o) {
  return {
      "Run",
      {{.name = "out",
        .target = &o.out,
        .help = "Folder of the run; empty: runs/MODEL-DATA-NOISE-seedN.",
        .role = Role::kPlace,
        .is_common = true},
       {.name = "resume",
        .target = &o.resume,
        .help = "Continue the run in --out from its last checkpoint.",
        .role = Role::kRequest,
        .is_common = true},
       {.name = "overwrite",
        .target = &o.overwrite,
        .help = "Replace the run in --out.",
        .role = Role::kRequest,
        .is_common = true},
       {.name = "dry-run",
        .target = &o.dry_run,
        .help = "Try a few steps and each measurement, say what the whole would take (time, "
                "memory, disk), and stop. Nothing is written.",
        .role = Role::kRequest},
       {.name = "seed",
        .target = &o.seed,
        .range = Range::at_least(0),
        .help = "Seed of every random draw.",
        .role = Role::kSource,
        .is_common = true},
       {.name = "epochs",
        .target = &o.epochs,
        .range = Range::closed(0, Step::kMost),
        .help = "Length of training.",
        .role = Role::kLength,
        .is_common = true},
       {.name = "max-steps",
        .target = &o.max_steps,
        .range = Range::at_least(0),
        .unit = "steps",
        .help = "Stop after this many updates even if --epochs is longer; 0: no such limit.",
        .role = Role::kLength},
       {.name = "accumulate",
        .target = &o.accumulate,
        .range = Range::at_least(1),
        .help = "Compute each batch in this many parts and add their gradients, to save memory "
                "(the batch size stays --batch, but BatchNorm sees one part at a time)."},
       {.name = "eval-batch",
        .target = &o.eval_batch,
        .range = Range::at_least(1),
        .unit = "images",
        .help = "Batch size of evaluation.",
        .role = Role::kPlace},
       {.name = "curve-ema",
        .target = &o.curve_ema,
        .range = Range::closed(0, 0.9999),
        .help = "Decay of NAME_ema, a smoothed copy of each train and test curve; 0: none.",
        .role = Role::kCurve},
       {.name = "checkpoint-every",
        .target = &o.checkpoint_every,
        .range = Range::above(0),
        .help = "How often to write a checkpoint; one is always written at the end.",
        .role = Role::kOutput,
        .is_common = true},
       {.name = "keep-checkpoints",
        .target = &o.keep_checkpoints,
        .range = Range::at_least(0),
        .help =
            "How many of the newest checkpoints to keep besides those of --checkpoint-at; 0: all.",
        .role = Role::kOutput},
       {.name = "checkpoint-at",
        .target = &o.checkpoint_at,
        .help = "When to write extra checkpoints that are always kept, such as 0it,2000it.",
        .role = Role::kOutput},
       {.name = "weights",
        .target = &o.weights,
        .help = "A .safetensors file to start from instead of the initialisation."},
       {.name = "mask",
        .target = &o.mask,
        .help = "A .safetensors file with a mask, as `unlazy prune` writes it: weights are held at "
                "0 where the mask is false."},
       {.name = "start-at",
        .target = &o.start_at,
        .range = Range::closed(0, Step::kMost),
        .help = "Begin at this step of the schedules and of the batch order, such as 2000it; to "
                "rewind a run, also pass --weights from that step's checkpoint."},
       {.name = "cuda-graph",
        .target = &o.cuda_graph,
        .help = "On a GPU: capture the step into a CUDA graph.",
        .role = Role::kPlace}}};
}

// The sizes of the pieces when `count` samples are cut into pieces of `size`.
std::vector<int64_t> piece_sizes(int64_t count, int64_t size) {
  std::vector<int64_t> sizes = {std::min(size, count)};
  if (count % size != 0) sizes.push_back(count % size);
  return sizes;
}

// The fewest samples that go through the network at once in a step of `batch` samples.
int64_t smallest_pass(int64_t batch, int64_t group, int64_t num_parts) {
  int64_t smallest = batch;
  for (const int64_t samples : piece_sizes(batch, group > 0 ? group : batch)) {
    for (const int64_t part : piece_sizes(samples, (samples + num_parts - 1) / num_parts))
      smallest = std::min(smallest, part);
  }
  return smallest;
}

std::vector<int64_t> to_host(const at::Tensor& labels) {
  const int64_t* first = labels.const_data_ptr<int64_t>();
  return {first, first + labels.numel()};
}

}  // namespace

std::vector<OptionTable> describe(TrainOptions& o) {
  return {data::describe(o.data),       data::describe(o.batch),
          models::describe(o.model),    describe(o.linearise),
          noise::describe(o.noise),     optim::describe(o.loss),
          optim::describe(o.optimizer), optim::describe(o.optimizer.sharpness),
          optim::describe(o.schedule),  describe(o.run),
          measure::describe(o.measure), measure::describe(o.measure.probe, "measure-"),
          unlazy::describe(o.compute)};
}

int64_t last_step(const RunOptions& options, int64_t steps_per_epoch) {
  const int64_t by_epochs = Step::epochs(options.epochs).in_iterations(steps_per_epoch);
  UNLAZY_CHECK_USAGE(options.epochs == 0 || by_epochs > 0, "train: --epochs ",
                     number_text(options.epochs), " is less than one step; an epoch has ",
                     steps_per_epoch, " steps: use --epochs 1 --max-steps N");
  return options.max_steps > 0 ? std::min(by_epochs, options.max_steps) : by_epochs;
}

std::string default_out(const TrainOptions& o) {
  std::string name = "runs/" + models::short_name(o.model) + "-" + o.data.source;
  if (o.linearise.is_on()) name += o.linearise.order == 1 ? "-linearised" : "-taylor2";
  if (o.noise.kind != "none")
    name += "-" + o.noise.kind + number_text(o.noise.rate > 0 ? o.noise.rate : o.noise.sigma);
  if (optim::is_sharpness_aware(o.optimizer.name))
    name += "-" + o.optimizer.name + number_text(o.optimizer.sharpness.rho);
  else if (o.optimizer.name != "sgd")
    name += "-" + o.optimizer.name;
  return name + "-seed" + std::to_string(o.run.seed);
}

namespace {

// With SAM, bf16 saves little time, because the second pass is in fp32, and it makes the direction
// of the perturbation less exact. So bf16 is used only if it is asked for.
ComputeOptions compute_options(const TrainOptions& options) {
  auto compute = options.compute;
  if (compute.precision == "auto" && optim::is_sharpness_aware(options.optimizer.name))
    compute.precision = "fp32";
  return compute;
}

c10::ScalarType master_dtype(c10::ScalarType compute) {
  return compute == c10::kBFloat16 ? c10::kFloat : compute;
}

}  // namespace

Experiment::Experiment(TrainOptions options)
    : options_(std::move(options)), compute_(resolve(compute_options(options_))) {
  const auto& o = options_;
  const auto seed = static_cast<uint64_t>(o.run.seed);
  loss_ = std::make_unique<optim::Loss>(o.loss);
  measure::requests(o.measure);  // unknown names are told before anything is read
  check_linearised(o);
  if (o.linearise.is_on() && o.linearise.start_file.empty())
    options_.linearise.at = with_step(o.linearise.at);
  const auto theta0 = start_weights(o);

  splits_ = data::load(o.data, seed);
  const int64_t num_classes = splits_.train.num_classes();
  order_ = std::make_unique<data::BatchOrder>(splits_.train.size(), o.batch, seed);
  end_ = last_step(o.run, steps_per_epoch());
  begin_ = o.run.start_at.in_iterations(steps_per_epoch());
  UNLAZY_CHECK_USAGE(begin_ <= end_, "train: --start-at ", o.run.start_at.text(),
                     " is after the end of training, step ", end_);
  schedule_ = std::make_unique<optim::Schedule>(o.schedule, steps_per_epoch(), end_);
  rho_schedule_ = std::make_unique<optim::RhoSchedule>(o.optimizer.sharpness, *schedule_,
                                                       steps_per_epoch(), end_);
  optim::check_group_size(o.optimizer.sharpness, o.batch.batch_size);
  noise_ = noise::make_noise({o.noise, num_classes, seed});
  noise_schedule_ = std::make_unique<noise::NoiseSchedule>(o.noise, steps_per_epoch());
  UNLAZY_CHECK_USAGE(!noise_->is_for_targets() || loss_->is_regression(), "noise: --noise ",
                     o.noise.kind, " acts on regression targets; use it with --loss squared-error");

  const auto& images = splits_.train.images;
  model_ = models::make_model(o.model,
                              {images.size(3), images.size(1), images.size(2), num_classes}, seed);
  model_->module().train();
  parameters_ = std::make_unique<optim::FlatParameters>(
      model_->module(), compute_.device,
      o.linearise.is_on() ? master_dtype(compute_.dtype) : compute_.dtype);
  load_weights(theta0.empty() ? o.run.weights : theta0);
  if (!o.run.mask.empty()) parameters_->set_mask(prune::load_mask(*parameters_, o.run.mask));
  make_readers();
  if (o.linearise.is_on()) {
    linearise();
    if (!theta0.empty()) {  // theta alone: the statistics are those of theta0
      std::vector<std::pair<at::Tensor, at::Tensor>> kept;
      for (const auto& buffer : model_->module().buffers())
        kept.emplace_back(buffer, buffer.clone());
      load_weights(o.run.weights);
      const at::NoGradGuard no_grad;
      for (const auto& [buffer, value] : kept) buffer.copy_(value);
    }
  }
  initial_values_ = parameters_->values().clone();
  optimizer_ = optim::make_optimizer(o.optimizer, *parameters_);

  check_largest_pass();
  check_smallest_pass();
  step_ = std::make_unique<TrainStep>(StepParts{
      *model_, *parameters_, *optimizer_, *loss_, *schedule_, *rho_schedule_, *train_reader_,
      *noise_, *noise_schedule_, to_host(splits_.train.labels), num_classes, o.run.accumulate, seed,
      // A captured step would draw the same dropout again and again.
      o.run.cuda_graph && compute_.device.is_cuda() && !model_->is_random()});
}

Experiment::~Experiment() = default;

void Experiment::make_readers() {
  const auto reader = [&](const data::Dataset& split) {
    return std::make_unique<data::BatchReader>(split, splits_.normalization, options_.batch,
                                               static_cast<uint64_t>(options_.run.seed),
                                               compute_.device, compute_.dtype);
  };
  train_reader_ = reader(splits_.train);
  test_reader_ = reader(splits_.test);
  train_labels_ = splits_.train.labels.to(compute_.device);
  test_labels_ = splits_.test.labels.to(compute_.device);
}

// Into the master values: fp64 weights stay what they are.
void Experiment::load_weights(const std::string& path) {
  if (path.empty()) return;
  const at::NoGradGuard no_grad;
  models::copy_tensors(path, named_tensors());
  parameters_->publish();
}

// Puts the linearised network in the place of the network, which is at theta0 in master precision.
// In bf16 a second network does the passes of training and evaluation: theta0 and the tangents are
// rounded there, theta is not.
void Experiment::linearise() {
  const auto& o = options_;
  const auto seed = static_cast<uint64_t>(o.run.seed);
  const auto master = parameters_->values().scalar_type();
  if (o.linearise.start_file.empty()) collect_statistics();
  std::shared_ptr<models::Model> low;
  if (compute_.dtype != master) {
    const auto& images = splits_.train.images;
    low = models::make_model(
        o.model, {images.size(3), images.size(1), images.size(2), splits_.train.num_classes()},
        seed);
    optim::FlatParameters rounded(low->module(), compute_.device, compute_.dtype);
    rounded.values().copy_(parameters_->values());
    rounded.publish();
    const auto buffers = model_->module().named_buffers();
    for (const auto& item : low->module().named_buffers())
      item.value().set_data(buffers[item.key()]);
  }
  const auto few = data::range(0, std::min<int64_t>(2, splits_.train.size()));
  model_ = std::make_shared<linearise::LinearisedModel>(model_, low, o.linearise.order,
                                                        train_reader_->plain_batch(few).to(master));
  const auto mask = parameters_->mask();
  parameters_ = std::make_unique<optim::FlatParameters>(model_->module(), compute_.device,
                                                        compute_.dtype, /*has_copy=*/false);
  parameters_->set_mask(mask);
}

// BatchNorm may refuse a single image, which depends on the network: ask it before training.
void Experiment::check_largest_pass() {
  const int64_t most = model_->max_batch();
  if (most == 0) return;
  const auto& o = options_;
  const int64_t parts = o.run.accumulate;
  const int64_t group = o.optimizer.sharpness.group_size;
  const int64_t samples = std::min(o.batch.batch_size, splits_.train.size());
  const int64_t trained = ((group > 0 ? std::min(group, samples) : samples) + parts - 1) / parts;
  const int64_t evaluated =
      std::min(o.run.eval_batch, std::max(splits_.train.size(), splits_.test.size()));
  UNLAZY_CHECK_USAGE(trained <= most && evaluated <= most, "model: ", o.model.name,
                     " was exported for at most ", most, " images at a time, but --batch takes ",
                     trained, " and --eval-batch ", evaluated,
                     "; make them smaller, or export it with tools/python/export_network.py");
}

void Experiment::check_smallest_pass() {
  const int64_t per_epoch = steps_per_epoch();
  if (begin_ == end_) return;
  std::vector<int64_t> batches = {batch_size(begin_)};
  // Is the last batch of an epoch among the steps?
  if (end_ / per_epoch > begin_ / per_epoch) batches.push_back(batch_size(per_epoch - 1));
  for (const int64_t batch : batches) {
    const auto& o = options_;
    if (smallest_pass(batch, o.optimizer.sharpness.group_size, o.run.accumulate) > 1) continue;
    const at::NoGradGuard no_grad;
    const models::FrozenStatistics frozen(model_->module());
    model_->forward(train_reader_->plain_batch({0}));
    return;
  }
}

measure::Subject Experiment::subject() {
  return {*model_,
          *parameters_,
          *loss_,
          {*train_reader_, train_labels_},
          {*test_reader_, test_labels_},
          initial_values_,
          splits_.train.num_classes(),
          options_.run.eval_batch,
          options_.measure.probe};
}

std::vector<std::pair<std::string, at::Tensor>> Experiment::named_tensors() {
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  std::map<std::string, at::Tensor> of_segment;
  for (const auto& segment : parameters_->segments()) {
    tensors.emplace_back(segment.name, optim::FlatParameters::view(parameters_->values(), segment));
    of_segment[segment.name] = tensors.back().second;
  }
  // Tied parameters stand under each of their names, as in Python.
  std::map<const c10::TensorImpl*, at::Tensor> seen;
  for (const auto& item : model_->module().named_parameters()) {
    auto& first = seen[item.value().unsafeGetTensorImpl()];
    if (first.defined())
      tensors.emplace_back(item.key(), first);
    else
      first = of_segment.at(item.key());
  }
  for (const auto& item : model_->module().named_buffers())
    tensors.emplace_back(item.key(), item.value());
  return tensors;
}

void Experiment::collect_statistics() {
  measure::recalibrate(subject(), options_.linearise.statistics_samples,
                       parameters_->compute_dtype());
}

std::vector<std::pair<std::string, at::Tensor>> Experiment::start_tensors() {
  const auto& model = dynamic_cast<const linearise::LinearisedModel&>(*model_);
  std::map<const c10::TensorImpl*, at::Tensor> start_of;
  const auto all = model_->module().named_parameters();
  for (size_t i = 0; i < model.names().size(); ++i)
    start_of[all[model.names()[i]].unsafeGetTensorImpl()] = model.start()[i];
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (const auto& item : all) {
    const auto found = start_of.find(item.value().unsafeGetTensorImpl());
    tensors.emplace_back(item.key(), found == start_of.end() ? item.value() : found->second);
  }
  for (const auto& item : model_->module().named_buffers())
    tensors.emplace_back(item.key(), item.value());
  return tensors;
}

}  // namespace unlazy::train
