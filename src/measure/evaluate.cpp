// Loss and accuracy over a whole split, one pass in evaluation mode.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "core/span.h"
#include "measure/evaluation_mode.h"
#include "measure/measurement.h"
#include "models/frozen_statistics.h"

namespace unlazy::measure {
namespace {

std::vector<Value> named(const std::string& prefix, const Evaluation& evaluation) {
  return {{prefix + "_loss", evaluation.loss}, {prefix + "_accuracy", evaluation.accuracy}};
}

}  // namespace

Evaluation evaluate(const Subject& subject, const LabelledReader& split) {
  at::NoGradGuard no_grad;
  EvaluationMode mode(subject.model.module());
  const int64_t count = split.labels.size(0);
  auto sums = at::zeros({2}, split.labels.options().dtype(c10::kDouble));  // loss, number right
  for (int64_t begin = 0; begin < count; begin += subject.batch_size) {
    const Span span{begin, std::min(begin + subject.batch_size, count)};
    const auto labels = span.of(split.labels);
    const auto logits =
        subject.model.forward(split.reader.plain_batch(data::range(span.begin, span.end)));
    const auto loss =
        subject.loss.mean(logits, subject.loss.clean_targets(labels, subject.num_classes));
    sums[0].add_(loss.to(c10::kDouble) * static_cast<double>(span.size()));
    sums[1].add_((logits.argmax(1) == labels).sum());
  }
  sums.div_(static_cast<double>(count));
  return {sums[0], sums[1]};
}

std::vector<Value> measure_test(const Subject& subject) {
  return named("test", evaluate(subject, subject.test));
}

void recalibrate(const Subject& subject, int64_t samples, c10::ScalarType dtype) {
  const int64_t all = subject.train.labels.size(0);
  const int64_t count = samples > 0 ? std::min(samples, all) : all;
  // The last batch takes a single sample that would be left over: BatchNorm may refuse it.
  const int64_t size = subject.batch_size;
  const int64_t num_batches = std::max<int64_t>(1, (count + size - 2) / size);
  models::recalibrate(subject.model, num_batches, [&](int64_t i) {
    const int64_t end = i + 1 == num_batches ? count : (i + 1) * size;
    return subject.train.reader.training_batch(data::range(i * size, end), /*step=*/i).to(dtype);
  });
}

std::vector<Value> measure_test_recalibrated(const Subject& subject) {
  const SavedBuffers saved(subject.model.module());
  recalibrate(subject, subject.probe.statistics_samples, subject.parameters.compute_dtype());
  auto values = named("test", evaluate(subject, subject.test));
  for (auto& value : values) value.name += "_recalibrated";
  return values;
}

std::vector<Value> measure_train_set(const Subject& subject) {
  return named("train_set", evaluate(subject, subject.train));
}

}  // namespace unlazy::measure
