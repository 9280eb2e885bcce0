#include "train/train_step.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <span>

#include "core/rng.h"
#include "cuda/account_kernel.h"
#include "models/frozen_statistics.h"

#ifdef UNLAZY_HAS_CUDA
#include "cuda/account_launch.h"
#include "cuda/step_graph.h"
#endif

namespace unlazy::train {
namespace {

constexpr double kNoBadStep = std::numeric_limits<double>::infinity();

// On the CPU the same arithmetic as in the kernel, as one loop instead of a dozen operators.
template <class T>
void account_as(const cuda::AccountArguments<T>& arguments, [[maybe_unused]] bool is_cuda) {
#ifdef UNLAZY_HAS_CUDA
  if (is_cuda) {
    cuda::account_on_stream(arguments);
    return;
  }
#endif
  int64_t counts[cuda::kNumCounts] = {};
  cuda::count_samples(arguments, 0, 1, counts);
  cuda::add_batch(arguments, counts);
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
  sums_ =
      at::zeros({cuda::kNumAccountSums}, parts_.parameters.values().options().dtype(c10::kDouble));
  reset_totals();
#ifdef UNLAZY_HAS_CUDA
  if (parts_.use_graph) graph_ = std::make_unique<Graph>(Graph{cuda::StepGraph(sums_.device())});
#endif
}

TrainStep::~TrainStep() = default;

void TrainStep::run(const std::vector<int64_t>& indices, int64_t step) {
  const ControlBlock control = prepare(indices, step);
  parts_.model.begin_step(parts_.seed, step);
  const bool is_perturbed = parts_.rho_schedule.is_perturbed(step);
  const auto update = [&](const at::Tensor& block) {
    compute(control.parts_of(block), is_perturbed);
  };
#ifdef UNLAZY_HAS_CUDA
  if (graph_) {
    // SAM's steps run other operations.
    graph_->steps.run(is_perturbed ? 1 : 0, control.tensor(), update);
    return;
  }
#endif
  update(control.tensor().to(sums_.device(), /*non_blocking=*/true));
}

std::string TrainStep::graph_problem() const {
#ifdef UNLAZY_HAS_CUDA
  if (graph_) return graph_->steps.problem();
#endif
  return {};
}

int64_t TrainStep::num_kernels() const {
#ifdef UNLAZY_HAS_CUDA
  if (graph_) return std::max(graph_->steps.num_kernels(0), graph_->steps.num_kernels(1));
#endif
  return 0;
}

bool TrainStep::is_captured() const {
#ifdef UNLAZY_HAS_CUDA
  if (graph_) return graph_->steps.is_captured(0) || graph_->steps.is_captured(1);
#endif
  return false;
}

// The draws depend on (seed, stream, step) alone.
ControlBlock TrainStep::prepare(const std::vector<int64_t>& indices, int64_t step) const {
  const size_t count = indices.size();
  const auto num_classes = static_cast<size_t>(parts_.num_classes);
  const size_t num_targets = parts_.loss.is_regression() ? count * num_classes : 0;
  const auto& values = parts_.parameters.values();
  ControlBlock control(static_cast<int64_t>(count), static_cast<int64_t>(num_targets),
                       values.scalar_type(), values.is_cuda());
  control.set_scalars(parts_.schedule.lr(step), parts_.rho_schedule.rho(step), step);
  parts_.reader.write_plan(indices, step, control.plan());
  const std::span labels(control.labels(), count), seen(control.seen(), count);
  std::transform(indices.begin(), indices.end(), labels.begin(),
                 [&](int64_t index) { return parts_.labels[static_cast<size_t>(index)]; });
  std::copy(labels.begin(), labels.end(), seen.begin());

  const double factor = parts_.noise_schedule.factor(step);
  Rng rng(parts_.seed, Stream::kNoise, static_cast<uint64_t>(step));
  if (!parts_.noise.is_for_targets()) parts_.noise.labels(indices, labels, factor, rng, seen);
  if (num_targets > 0) {
    const std::span targets(control.targets(), num_targets);
    std::fill(targets.begin(), targets.end(), 0.0f);
    for (size_t i = 0; i < count; ++i)
      targets[i * num_classes + static_cast<size_t>(seen[i])] = 1.0f;
    if (parts_.noise.is_for_targets()) parts_.noise.targets(factor, rng, targets);
  }
  return control;
}

StagedLabels TrainStep::stage_labels(const std::vector<int64_t>& indices, int64_t step) const {
  const auto control = prepare(indices, step);
  const auto parts = control.parts_of(control.tensor().to(sums_.device(), /*non_blocking=*/true));
  return {parts.labels, parts.seen, parts.targets};
}

void TrainStep::compute(const ControlBlock::Parts& control, bool is_perturbed) {
  const Batch batch{parts_.reader.gather(control.plan, parts_.optimizer.uses_master_precision()),
                    {control.labels, control.seen, control.targets},
                    control.step};
  parts_.optimizer.step([&](bool updates_statistics,
                            const Span& samples) { gradient(batch, updates_statistics, samples); },
                        {control.lr, control.rho, is_perturbed, batch.images.size(0)});
}

void TrainStep::gradient(const Batch& batch, bool updates_statistics, const Span& samples) {
  std::optional<models::FrozenStatistics> frozen;
  if (!updates_statistics) frozen.emplace(parts_.model.module());
  const int64_t count = samples.size();
  const int64_t size = (count + parts_.num_parts - 1) / parts_.num_parts;
  parts_.parameters.clear_gradients();
  for (int64_t begin = samples.begin; begin < samples.end; begin += size) {
    const int64_t length = std::min(size, samples.end - begin);
    const auto part = [&](const at::Tensor& t) {
      return length == t.size(0) ? t : t.narrow(0, begin, length);
    };
    const auto logits =
        parts_.model.forward(part(batch.images).to(parts_.parameters.compute_dtype()));
    const auto loss = parts_.loss.mean(logits, part(batch.labels.targets));
    const auto share = static_cast<double>(length) / static_cast<double>(count);
    (length == count ? loss : loss * share).backward();
    parts_.parameters.collect_gradients(/*is_first=*/begin == samples.begin);
    if (updates_statistics)
      account(logits, loss, part(batch.labels.labels), part(batch.labels.seen), batch.step);
  }
}

void TrainStep::account(const at::Tensor& logits, const at::Tensor& loss, const at::Tensor& labels,
                        const at::Tensor& seen, const at::Tensor& step) {
  const auto rows = logits.detach().contiguous();
  const auto run = [&]<class T>(const T* values) {
    using Loss = typename cuda::AccountArguments<T>::Loss;
    account_as<T>({.logits = values,
                   .loss = loss.const_data_ptr<Loss>(),
                   .labels = labels.const_data_ptr<int64_t>(),
                   .seen = seen.const_data_ptr<int64_t>(),
                   .step = step.const_data_ptr<int64_t>(),
                   .batch = rows.size(0),
                   .classes = rows.size(1),
                   .sums = sums_.mutable_data_ptr<double>()},
                  rows.is_cuda());
  };
  switch (rows.scalar_type()) {
    case c10::kBFloat16:
      run(reinterpret_cast<const Bf16*>(rows.const_data_ptr<c10::BFloat16>()));
      break;
    case c10::kFloat:
      run(rows.const_data_ptr<float>());
      break;
    default:
      run(rows.const_data_ptr<double>());
  }
}

TrainTotals TrainStep::totals() const {
  const auto host = sums_.cpu();
  const double* sum = host.const_data_ptr<double>();
  const double clean = sum[cuda::kSumOfSamples] - sum[cuda::kSumOfFlipped];
  TrainTotals totals;
  totals.samples = static_cast<int64_t>(sum[cuda::kSumOfSamples]);
  totals.loss = sum[cuda::kSumOfLoss] / sum[cuda::kSumOfSamples];
  totals.accuracy = sum[cuda::kSumOfRight] / sum[cuda::kSumOfSamples];
  totals.accuracy_clean = (sum[cuda::kSumOfRight] - sum[cuda::kSumOfRightFlipped]) / clean;
  totals.accuracy_flipped = sum[cuda::kSumOfRightFlipped] / sum[cuda::kSumOfFlipped];
  totals.memorized_flipped = sum[cuda::kSumOfMemorized] / sum[cuda::kSumOfFlipped];
  totals.flipped_fraction = sum[cuda::kSumOfFlipped] / sum[cuda::kSumOfSamples];
  if (sum[cuda::kFirstBadStep] != kNoBadStep)
    totals.first_bad_step = static_cast<int64_t>(sum[cuda::kFirstBadStep]);
  return totals;
}

void TrainStep::reset_totals() {
  sums_.zero_();
  sums_[cuda::kFirstBadStep].fill_(kNoBadStep);
}

}  // namespace unlazy::train
