#include "experiments/pruning/pruned_network.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <torch/nn/module.h>

#include <algorithm>

#include "core/safetensors.h"
#include "core/span.h"
#include "core/stopwatch.h"
#include "models/frozen_statistics.h"
#include "models/weights.h"
#include "models/winograd.h"
#include "prune/multiply_adds.h"

namespace unlazy::experiments {
namespace {

train::TrainOptions for_evaluation(train::TrainOptions options) {
  options.run.weights.clear();
  options.run.mask.clear();
  options.run.start_at = Step::iterations(0);
  return options;
}

}  // namespace

PrunedNetwork::PrunedNetwork(train::TrainOptions options, const std::string& weights)
    : experiment_(for_evaluation(std::move(options))) {
  load(weights);
  positions_ = prune::output_positions(experiment_.model(), parameters(),
                                       experiment_.subject().test.reader.plain_batch({0}));
}

void PrunedNetwork::load(const std::string& path) {
  parameters().set_mask({});
  models::copy_tensors(path, experiment_.named_tensors());
  parameters().publish();
  values_ = parameters().values().clone();
  statistics_.clear();
  for (const auto& buffer : experiment_.model().module().buffers())
    statistics_.push_back(buffer.clone());
}

prune::Candidate PrunedNetwork::candidate(const prune::Criterion& criterion,
                                          int64_t gradient_batches) {
  prune::Candidate candidate;
  candidate.weights = values_.narrow(0, 0, parameters().num_weights());
  candidate.seed = static_cast<uint64_t>(experiment_.options().run.seed);
  if (criterion.needs_gradients()) candidate.gradients = gradients(gradient_batches);
  return candidate;
}

void PrunedNetwork::apply(const at::Tensor& mask) {
  const at::NoGradGuard no_grad;
  parameters().values().copy_(values_);
  parameters().set_mask(mask);
  size_t i = 0;
  for (auto& buffer : experiment_.model().module().buffers()) buffer.copy_(statistics_[i++]);
}

void PrunedNetwork::recalibrate(int64_t num_batches) {
  models::recalibrate(experiment_.model(), std::min(num_batches, experiment_.steps_per_epoch()),
                      [&](int64_t i) { return experiment_.read_batch(i); });
}

CurveLevel PrunedNetwork::evaluate(double target) {
  const Stopwatch watch;
  const auto subject = experiment_.subject();
  const models::FastConvolutions fast;
  const auto result = measure::evaluate(subject, subject.test);
  CurveLevel level;
  level.loss = result.loss.item<double>();
  level.accuracy = result.accuracy.item<double>();
  level.images_per_second = static_cast<double>(subject.test.labels.size(0)) / watch.seconds();
  level.target = target;
  level.layers = prune::count_layers(parameters(), parameters().mask());
  auto whole = level.layers;
  for (auto& layer : whole) layer.kept = layer.total;
  for (const auto& layer : level.layers) level.weights += layer.kept;
  const int64_t num_weights = parameters().num_weights();
  level.density = static_cast<double>(level.weights) / static_cast<double>(num_weights);
  level.parameters = level.weights + parameters().size() - num_weights;
  level.multiply_adds = prune::multiply_adds(level.layers, positions_);
  level.speed_up = static_cast<double>(prune::multiply_adds(whole, positions_)) /
                   static_cast<double>(level.multiply_adds);
  return level;
}

void PrunedNetwork::save(const std::string& path) {
  save_tensors(path, {experiment_.named_tensors(),
                      {{"format", "pt"}, {"model", experiment_.options().model.name}}});
}

at::Tensor PrunedNetwork::gradients(int64_t num_batches) {
  parameters().values().copy_(values_);
  parameters().publish();
  const auto subject = experiment_.subject();
  subject.model.module().train();
  const models::FrozenStatistics frozen(subject.model.module());
  const int64_t size = experiment_.options().batch.batch_size;
  const int64_t total = std::min(num_batches * size, subject.train.labels.size(0));
  parameters().clear_gradients();
  for (int64_t begin = 0; begin < total; begin += size) {
    const Span span{begin, std::min(begin + size, total)};
    const auto targets =
        subject.loss.clean_targets(span.of(subject.train.labels), subject.num_classes);
    const auto logits =
        subject.model.forward(subject.train.reader.plain_batch(data::range(span.begin, span.end)));
    const double share = static_cast<double>(span.size()) / static_cast<double>(total);
    (subject.loss.mean(logits, targets) * share).backward();
    parameters().collect_gradients(/*is_first=*/begin == 0);
  }
  return parameters().gradients().narrow(0, 0, parameters().num_weights()).clone();
}

}  // namespace unlazy::experiments
