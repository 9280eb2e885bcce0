// Loss and accuracy over a whole split, one pass in evaluation mode.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "core/span.h"
#include "measure/evaluation_mode.h"
#include "measure/measurement.h"

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

std::vector<Value> measure_train_set(const Subject& subject) {
  return named("train_set", evaluate(subject, subject.train));
}

}  // namespace unlazy::measure
