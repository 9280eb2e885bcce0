#include "experiments/linearised_run.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/tensor.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/format.h"
#include "core/safetensors.h"
#include "experiments/output_record.h"
#include "linearise/function_space.h"
#include "linearise/network.h"
#include "measure/evaluation_mode.h"
#include "measure/network.h"
#include "train/run_dir.h"
#include "train/saved_run.h"

namespace unlazy::experiments {
namespace {

at::Tensor all_images(const measure::LabelledReader& split) {
  return split.reader.plain_batch(data::range(0, split.labels.size(0)));
}

class LinearisedRun {
 public:
  LinearisedRun(train::Experiment& experiment, const linearise::Kernel& kernel, train::RunDir& run,
                const train::Hooks& hooks)
      : experiment_(experiment),
        options_(experiment.options()),
        subject_(experiment.subject()),
        network_(experiment.model()),
        space_(kernel),
        recorder_(run, experiment.steps_per_epoch(), options_.run.curve_ema),
        run_(run),
        hooks_(hooks),
        images_(all_images(subject_.train)),
        start_(network_.values()) {
    experiment.model().module().eval();
    every_ =
        std::max<int64_t>(1, options_.measure.every.in_iterations(experiment.steps_per_epoch()));
    if (options_.optimizer.weight_decay > 0) {
      space_.set_images_of_start(
          linearise::jvp(network_, images_, start_).tangent,
          linearise::jvp(network_, all_images(subject_.test), start_).tangent);
    }
  }

  train::Outcome train() {
    for (int64_t step = experiment_.begin(); step < experiment_.end(); ++step) {
      if (step % every_ == 0 || step == experiment_.begin()) record(step);
      this->step(step);
      if (hooks_.should_stop && hooks_.should_stop()) return train::Outcome::kInterrupted;
    }
    record(experiment_.end());
    save();
    recorder_.flush();
    recorder_.sync();  // the rows are on the disk before DONE is
    run_.mark_done();
    return train::Outcome::kDone;
  }

 private:
  void step(int64_t step) {
    const auto indices = experiment_.indices(step);
    const auto labels = experiment_.step().stage_labels(indices, step);
    const auto places = at::tensor(indices, at::kLong).to(labels.labels.device());
    auto targets = labels.targets;
    // A whole batch is put into the kernel's order: reading all of K beats gathering its rows.
    const bool is_whole = static_cast<int64_t>(indices.size()) == subject_.train.labels.size(0) &&
                          !options_.batch.with_replacement;
    if (is_whole) targets = at::empty_like(targets).index_copy_(0, places, targets);
    const auto& rho = experiment_.rho_schedule();
    const auto& o = options_.optimizer;
    space_.step(
        {.lr = experiment_.schedule().lr(step),
         .momentum = o.momentum,
         .is_nesterov = o.nesterov,
         .weight_decay = o.weight_decay,
         .rho = optim::is_sharpness_aware(o.name) && rho.is_perturbed(step) ? rho.rho(step) : 0},
        [&](const at::Tensor& outputs) { return slope(outputs, targets); },
        is_whole ? at::Tensor() : places);
  }

  // dloss/df, by the loss itself: no second copy of its formula.
  at::Tensor slope(const at::Tensor& outputs, const at::Tensor& targets) const {
    const at::AutoGradMode with_grad(true);
    const auto f = outputs.detach().requires_grad_();
    return torch::autograd::grad({experiment_.loss().mean(f, targets)}, {f})[0];
  }

  void record(int64_t step) {
    const at::NoGradGuard no_grad;
    record_split(step, "train_set", space_.train_outputs(), subject_.train.labels);
    record_split(step, "test", space_.test_outputs(), subject_.test.labels);
    const auto moved = space_.displacement(network_, images_).to(c10::kDouble);
    recorder_.add(step, "distance_from_init", moved.norm().item<double>());
    const auto first = network_.split(start_.to(c10::kDouble) + moved)[0];
    recorder_.add(step, "first_layer_norm", first.norm().item<double>());
    const auto loss = recorder_.latest().at("train_set_loss");
    if (!std::isfinite(loss)) {
      throw Error(internal::concat(
                      "compare: the loss of the linearised network is not finite at step ", step,
                      "; its learning rate is above the stable one: try a smaller --lr-fraction"),
                  Error::Kind::kDiverged);
    }
    save_outputs(run_.path(), step, space_.train_outputs(), space_.test_outputs());
    recorder_.flush();
    if (hooks_.on_line) {
      hooks_.on_line(internal::concat("step ", step, "  train_set_loss ", rounded_text(loss),
                                      "  test_loss ",
                                      rounded_text(recorder_.latest().at("test_loss"))));
    }
  }

  void record_split(int64_t step, const std::string& name, const at::Tensor& outputs,
                    const at::Tensor& labels) {
    const auto targets = experiment_.loss().clean_targets(labels, outputs.size(1));
    recorder_.add(step, name + "_loss", experiment_.loss().mean(outputs, targets).item<double>());
    recorder_.add(step, name + "_accuracy",
                  (outputs.argmax(1) == labels).to(c10::kDouble).mean().item<double>());
  }

  void save() const {
    const at::NoGradGuard no_grad;
    const auto weights = network_.split(start_ + space_.displacement(network_, images_));
    TensorFile file{{}, {{"model", options_.model.name}, {"linearised", "true"}}};
    for (size_t i = 0; i < weights.size(); ++i)
      file.tensors.emplace_back(network_.names()[i], weights[i]);
    for (const auto& item : experiment_.model().module().named_buffers())
      file.tensors.emplace_back(item.key(), item.value());
    save_tensors(run_.file("linearised.safetensors"), file);
  }

  train::Experiment& experiment_;
  const train::TrainOptions& options_;
  measure::Subject subject_;
  linearise::Network network_;
  linearise::FunctionSpace space_;
  train::Recorder recorder_;
  train::RunDir& run_;
  const train::Hooks& hooks_;
  at::Tensor images_, start_;
  int64_t every_;
};

}  // namespace

std::string function_space_problem(const train::TrainOptions& o) {
  const auto& optimizer = o.optimizer;
  if (o.batch.augment) return "the kernel is that of fixed images: give --augment=false";
  if (optimizer.name != "sgd" && optimizer.name != "sam")
    return "it follows sgd and sam, not --optimizer " + optimizer.name;
  if (optimizer.name == "sam" &&
      (optimizer.sharpness.base != "sgd" || optimizer.sharpness.variant != "normalized" ||
       optimizer.sharpness.group_size != 0))
    return "it follows normalised SAM of the whole batch around sgd: leave out --sam-base, "
           "--sam-variant and --sam-m";
  if (optimizer.clip_norm != 0) return "it does not follow --clip-norm: leave it out";
  if (optimizer.weight_decay != 0 && optimizer.decay != "all") return "it follows --decay all only";
  if (!o.run.mask.empty()) return "it does not follow --mask: leave it out";
  if (resolve(o.compute).dtype == c10::kBFloat16)
    return "the kernel needs more than bf16: give --precision fp32 or fp64";
  return "";
}

namespace {

linearise::Kernel kernel_on(train::Experiment& experiment, int64_t memory, const at::Tensor& train,
                            const at::Tensor& test) {
  UNLAZY_CHECK_USAGE(experiment.compute().dtype != c10::kBFloat16,
                     "compare: the kernel needs more than bf16; give --precision fp32 or fp64");
  experiment.collect_statistics();
  const measure::EvaluationMode mode(experiment.model().module());
  return linearise::kernel(measure::network_of(experiment.subject()), train, test,
                           {.memory = memory});
}

}  // namespace

linearise::Kernel kernel_of(train::Experiment& experiment, int64_t memory) {
  const auto subject = experiment.subject();
  return kernel_on(experiment, memory, all_images(subject.train), all_images(subject.test));
}

linearise::Kernel kernel_of_some(train::Experiment& experiment, int64_t memory,
                                 int64_t num_images) {
  const auto subject = experiment.subject();
  const int64_t count = std::min(num_images, subject.train.labels.size(0));
  return kernel_on(experiment, memory, subject.train.reader.plain_batch(data::range(0, count)), {});
}

train::Outcome run_linearised(const train::TrainOptions& options, const std::string& command,
                              const train::Hooks& hooks, const linearise::Kernel& kernel) {
  const auto problem = function_space_problem(options);
  UNLAZY_CHECK_USAGE(problem.empty(), "compare: in function space, ", problem);
  train::Experiment experiment(options);
  experiment.collect_statistics();
  train::RunDir run(options.run.out, options.run.overwrite ? train::RunDir::Mode::kOverwrite
                                                           : train::RunDir::Mode::kNew);
  run.begin(train::config_of_run(experiment, command));
  return LinearisedRun(experiment, kernel, run, hooks).train();
}

}  // namespace unlazy::experiments
