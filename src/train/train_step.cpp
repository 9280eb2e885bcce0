#include "train/train_step.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "models/frozen_statistics.h"

#ifdef UNLAZY_HAS_CUDA
#include "cuda/step_graph.h"
#endif

namespace unlazy::train {
namespace {

// Places in sums_.
enum Sum : int64_t {
  kSamples,
  kLoss,
  kRight,
  kFlipped,
  kRightFlipped,
  kMemorized,
  kNumSums,
  kBadStep = kNumSums,
  kSumsSize
};
constexpr double kNoBadStep = std::numeric_limits<double>::infinity();

// A host tensor for values that go to the device; pinned where that lets the copy overlap with
// work.
template <class T>
at::Tensor to_device(const std::vector<T>& values, at::IntArrayRef shape, c10::ScalarType dtype,
                     c10::Device device) {
  auto host = at::empty(shape, at::TensorOptions().dtype(dtype).pinned_memory(device.is_cuda()));
  std::copy(values.begin(), values.end(), host.template mutable_data_ptr<T>());
  return host.to(device, /*non_blocking=*/true);
}

}  // namespace

#ifdef UNLAZY_HAS_CUDA
struct TrainStep::Graph {
  cuda::StepGraph steps;
};
#else
struct TrainStep::Graph {};
#endif

TrainStep::TrainStep(StepParts parts) : parts_(std::move(parts)) {
  sums_ = at::zeros({kSumsSize}, parts_.parameters.values().options().dtype(c10::kDouble));
  reset_totals();
#ifdef UNLAZY_HAS_CUDA
  if (parts_.use_graph) graph_ = std::make_unique<Graph>(Graph{cuda::StepGraph(sums_.device())});
#endif
}

TrainStep::~TrainStep() = default;

void TrainStep::run(const std::vector<int64_t>& indices, int64_t step) {
  const Batch batch = stage(indices, step);
  const bool is_perturbed = parts_.rho_schedule.is_perturbed(step);
#ifdef UNLAZY_HAS_CUDA
  if (graph_) {
    graph_->steps.run(
        is_perturbed ? 1 : 0,  // SAM's steps run other operations
        {batch.images, batch.labels, batch.seen, batch.targets, batch.lr, batch.rho, batch.step},
        [this, is_perturbed](const std::vector<at::Tensor>& t) {
          compute({t[0], t[1], t[2], t[3], t[4], t[5], t[6]}, is_perturbed);
        });
    return;
  }
#endif
  compute(batch, is_perturbed);
}

std::string TrainStep::graph_problem() const {
#ifdef UNLAZY_HAS_CUDA
  if (graph_) return graph_->steps.problem();
#endif
  return {};
}

bool TrainStep::is_captured() const {
#ifdef UNLAZY_HAS_CUDA
  if (graph_) return graph_->steps.is_captured(0) || graph_->steps.is_captured(1);
#endif
  return false;
}

// Labels, noise and targets of a step. The draws depend on (seed, stream, step) alone.
StagedLabels TrainStep::stage_labels(const std::vector<int64_t>& indices, int64_t step) const {
  const auto count = static_cast<int64_t>(indices.size());
  const auto device = parts_.parameters.values().device();
  const double factor = parts_.noise_schedule.factor(step);
  Rng rng(parts_.seed, Stream::kNoise, static_cast<uint64_t>(step));

  std::vector<int64_t> labels(indices.size());
  std::transform(indices.begin(), indices.end(), labels.begin(),
                 [&](int64_t index) { return parts_.labels[static_cast<size_t>(index)]; });
  std::vector<int64_t> seen = labels;
  if (!parts_.noise.is_for_targets()) parts_.noise.labels(indices, labels, factor, rng, seen);

  StagedLabels staged;
  staged.labels = to_device(labels, {count}, c10::kLong, device);
  staged.seen = to_device(seen, {count}, c10::kLong, device);
  staged.targets = staged.seen;
  if (parts_.loss.is_regression()) {
    std::vector<float> targets(static_cast<size_t>(count * parts_.num_classes), 0.0f);
    for (size_t i = 0; i < seen.size(); ++i) {
      targets[i * static_cast<size_t>(parts_.num_classes) + static_cast<size_t>(seen[i])] = 1.0f;
    }
    if (parts_.noise.is_for_targets()) parts_.noise.targets(factor, rng, targets);
    staged.targets = to_device(targets, {count, parts_.num_classes}, c10::kFloat, device);
  }
  return staged;
}

// Everything that the host decides about a step: labels, noise, learning rate, rho.
Batch TrainStep::stage(const std::vector<int64_t>& indices, int64_t step) const {
  const auto device = parts_.parameters.values().device();
  const auto staged = stage_labels(indices, step);
  Batch batch;
  batch.images = parts_.optimizer.uses_master_precision()
                     ? parts_.reader.fine_training_batch(indices, step)
                     : parts_.reader.training_batch(indices, step);
  batch.labels = staged.labels;
  batch.seen = staged.seen;
  batch.targets = staged.targets;
  const auto scalar = [&](double value) {
    return to_device(std::vector<double>{value}, {}, c10::kDouble, device)
        .to(parts_.parameters.values().scalar_type());
  };
  batch.lr = scalar(parts_.schedule.lr(step));
  batch.rho = scalar(parts_.rho_schedule.rho(step));
  batch.step = to_device(std::vector<int64_t>{step}, {}, c10::kLong, device);
  return batch;
}

void TrainStep::compute(const Batch& batch, bool is_perturbed) {
  parts_.optimizer.step([&](bool updates_statistics,
                            const Span& samples) { gradient(batch, updates_statistics, samples); },
                        {batch.lr, batch.rho, is_perturbed, batch.images.size(0)});
}

void TrainStep::gradient(const Batch& batch, bool updates_statistics, const Span& samples) {
  std::optional<models::FrozenStatistics> frozen;
  if (!updates_statistics) frozen.emplace(parts_.model.module());
  const int64_t count = samples.size();
  const int64_t size = (count + parts_.num_parts - 1) / parts_.num_parts;
  parts_.parameters.zero_gradients();
  for (int64_t begin = samples.begin; begin < samples.end; begin += size) {
    const int64_t length = std::min(size, samples.end - begin);
    const auto part = [&](const at::Tensor& t) {
      return length == t.size(0) ? t : t.narrow(0, begin, length);
    };
    const auto logits =
        parts_.model.forward(part(batch.images).to(parts_.parameters.compute_dtype()));
    const auto loss = parts_.loss.mean(logits, part(batch.targets));
    (loss * (static_cast<double>(length) / static_cast<double>(count))).backward();
    parts_.parameters.collect_gradients(/*is_first=*/begin == samples.begin);
    if (updates_statistics) {
      account({batch.images, part(batch.labels), part(batch.seen), batch.targets, batch.lr,
               batch.rho, batch.step},
              logits, loss);
    }
  }
}

void TrainStep::account(const Batch& batch, const at::Tensor& logits, const at::Tensor& loss) {
  at::NoGradGuard no_grad;
  const auto predicted = logits.argmax(1);
  const auto right = predicted == batch.labels;
  const auto flipped = batch.seen != batch.labels;
  const auto value = loss.detach().to(c10::kDouble);
  const auto samples = static_cast<double>(batch.labels.size(0));
  const auto counts = at::stack({right, flipped, right.logical_and(flipped),
                                 (predicted == batch.seen).logical_and(flipped)})
                          .sum(1);
  sums_[kSamples].add_(samples);
  sums_[kLoss].add_(value * samples);
  sums_.narrow(0, kRight, 4).add_(counts);
  auto bad = sums_[kBadStep];
  bad.copy_(at::minimum(bad, at::where(at::isfinite(value), bad, batch.step.to(c10::kDouble))));
}

TrainTotals TrainStep::totals() const {
  const auto host = sums_.cpu();
  const double* sum = host.const_data_ptr<double>();
  const double clean = sum[kSamples] - sum[kFlipped];
  TrainTotals totals;
  totals.samples = static_cast<int64_t>(sum[kSamples]);
  totals.loss = sum[kLoss] / sum[kSamples];
  totals.accuracy = sum[kRight] / sum[kSamples];
  totals.accuracy_clean = (sum[kRight] - sum[kRightFlipped]) / clean;
  totals.accuracy_flipped = sum[kRightFlipped] / sum[kFlipped];
  totals.memorized_flipped = sum[kMemorized] / sum[kFlipped];
  totals.flipped_fraction = sum[kFlipped] / sum[kSamples];
  if (sum[kBadStep] != kNoBadStep) totals.first_bad_step = static_cast<int64_t>(sum[kBadStep]);
  return totals;
}

void TrainStep::reset_totals() {
  sums_.zero_();
  sums_[kBadStep].fill_(kNoBadStep);
}

}  // namespace unlazy::train
