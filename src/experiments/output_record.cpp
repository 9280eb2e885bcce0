#include "experiments/output_record.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>

#include "core/files.h"
#include "core/safetensors.h"
#include "core/span.h"
#include "measure/evaluation_mode.h"

namespace unlazy::experiments {
namespace {

namespace fs = std::filesystem;

std::string folder_of(const std::string& run) { return run + "/outputs"; }

at::Tensor recorded(const at::Tensor& outputs) {
  return outputs.narrow(0, 0, std::min(outputs.size(0), kMostRecorded)).detach();
}

at::Tensor outputs_on(const measure::Subject& subject, const measure::LabelledReader& split) {
  const int64_t count = std::min(split.labels.size(0), kMostRecorded);
  std::vector<at::Tensor> parts;
  for (int64_t begin = 0; begin < count; begin += subject.batch_size) {
    const auto images =
        split.reader.plain_batch(data::range(begin, std::min(begin + subject.batch_size, count)));
    parts.push_back(subject.model.forward(images).detach());
  }
  return at::cat(parts);
}

// The files by step.
std::map<int64_t, std::string> records(const std::string& run) {
  std::map<int64_t, std::string> files;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder_of(run), none)) {
    const auto stem = entry.path().stem().string();
    if (entry.path().extension() != ".safetensors" || stem.empty() || stem.size() > 18 ||
        stem.find_first_not_of("0123456789") != std::string::npos)
      continue;
    files[std::stoll(stem)] = entry.path().string();
  }
  return files;
}

double norm_of(const at::Tensor& t) { return t.to(c10::kDouble).norm().item<double>(); }

}  // namespace

void save_outputs(const std::string& run, int64_t step, const at::Tensor& train,
                  const at::Tensor& test) {
  const at::NoGradGuard no_grad;
  make_folder(folder_of(run));
  char name[32];
  std::snprintf(name, sizeof name, "/%08lld.safetensors", static_cast<long long>(step));
  save_tensors(
      folder_of(run) + name,
      {{{"train", recorded(train).to(c10::kFloat)}, {"test", recorded(test).to(c10::kFloat)}}, {}});
}

void record_outputs(const std::string& run, int64_t step, const measure::Subject& subject) {
  const at::NoGradGuard no_grad;
  const measure::EvaluationMode mode(subject.model.module());
  save_outputs(run, step, outputs_on(subject, subject.train), outputs_on(subject, subject.test));
}

report::Curves outputs_apart(const std::string& run, const std::string& reference,
                             int64_t steps_per_epoch) {
  const auto ours = records(run), theirs = records(reference);
  report::Curves curves;
  if (theirs.empty()) return curves;
  const auto start = load_tensors(theirs.begin()->second);
  for (const auto& [step, path] : ours) {
    const auto found = theirs.find(step);
    if (found == theirs.end()) continue;
    const auto f = load_tensors(path), g = load_tensors(found->second);
    for (const char* split : {"train", "test"}) {
      const double moved = norm_of(g.at(split) - start.at(split));
      if (moved == 0) continue;
      auto& curve = curves["outputs_apart_" + std::string(split)];
      curve.steps.push_back(step);
      curve.epochs.push_back(static_cast<double>(step) / static_cast<double>(steps_per_epoch));
      curve.values.push_back(norm_of(f.at(split) - g.at(split)) / moved);
    }
  }
  return curves;
}

}  // namespace unlazy::experiments
