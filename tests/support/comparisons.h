// Small comparisons of a network with its linearisation, for the tests of compare.
#pragma once

#include <ATen/TensorOperators.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "core/files.h"
#include "experiments/lazy_comparison.h"
#include "support/small_run.h"

namespace unlazy::testing {

// A linear network in fp64 on 20 images, full batch, 12 epochs, labels flipped with probability .5.
inline train::TrainOptions linear_network() {
  auto o = small_run();
  o.data.train_size = 20;
  o.batch.batch_size = 20;
  o.batch.augment = false;
  o.model.hidden_layers = 0;
  o.loss.kind = "squared-error";
  o.noise.kind = "flip-any";
  o.noise.rate = 0.5;
  o.optimizer.momentum = 0;
  o.schedule = {};
  o.run.max_steps = 0;
  o.run.epochs = 12;
  o.measure.names = {"test", "train-set", "distance", "first-layer"};
  o.measure.every = Step::iterations(5);
  return o;
}

// A network with a hidden layer, which is not.
inline train::TrainOptions two_layers() {
  auto o = linear_network();
  o.model.hidden_layers = 1;
  o.measure.names.insert(o.measure.names.end(), {"ntk-change", "lazy-distance"});
  return o;
}

inline experiments::Comparison compare(const train::TrainOptions& train, const std::string& out,
                                       const train::Hooks& hooks = {},
                                       const experiments::CompareOptions& options = {}) {
  return experiments::compare_lazy(options, train, out, "test", hooks);
}

inline train::Hooks stop_after(int count) {
  train::Hooks hooks;
  hooks.should_stop = [left = std::make_shared<int>(count)] { return --*left == 0; };
  return hooks;
}

// What a folder holds that must not depend on interruptions.
inline std::map<std::string, std::string> results(const std::string& out) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(out)) {
    const auto name = entry.path().filename().string();
    if (name == "metrics.csv" || name == "statements.json" || name.ends_with(".safetensors") ||
        name.ends_with(".gp") || name == "DONE")
      files[std::filesystem::relative(entry.path(), out).string()] =
          read_file(entry.path().string());
  }
  return files;
}

inline double relative(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / b.norm()).item<double>();
}

}  // namespace unlazy::testing
