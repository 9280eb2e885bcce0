// A run of a second: the base of the tests that train. Each changes what it is about.
#pragma once

#include <string>
#include <vector>

#include "train/experiment.h"

namespace unlazy::testing {

/// An mlp on 64 images of the sample, 6 steps of 16, momentum 0.9; fp64 on one thread.
inline train::TrainOptions small_run() {
  train::TrainOptions o;
  o.data.source = "cifar10-sample";
  o.data.train_size = 64;
  o.data.test_size = 16;
  o.batch.batch_size = 16;
  o.model.name = "mlp";
  o.model.hidden_width = 12;
  o.model.hidden_layers = 1;
  o.optimizer.momentum = 0.9;
  o.schedule.lr = 0.05;
  o.run.max_steps = 6;
  o.compute.device = "cpu";
  o.compute.precision = "fp64";
  o.compute.threads = 1;
  return o;
}

/// ResNet-20, which has BatchNorm, on 24 images of the sample in batches of 8; fp32.
inline train::TrainOptions small_resnet_run() {
  train::TrainOptions o;
  o.data.source = "cifar10-sample";
  o.data.train_size = 24;
  o.data.test_size = 16;
  o.batch.batch_size = 8;
  o.model.name = "resnet20";
  o.compute.precision = "fp32";
  o.run.eval_batch = 10;
  o.measure.names = {};
  return o;
}

/// "sweep train" of runs of a tenth of a second, 2 steps an epoch: an mlp on 32 images of the
/// sample. `more`: axes and other options.
inline std::vector<std::string> small_sweep(const std::string& out, const std::string& epochs,
                                            const std::vector<std::string>& more = {}) {
  std::vector<std::string> words = {"sweep",       "train", "--data",         "cifar10-sample",
                                    "--model",     "mlp",   "--hidden-width", "8",
                                    "--precision", "fp32",  "--train-size",   "32",
                                    "--batch",     "16",    "--test-size",    "16",
                                    "--epochs",    epochs,  "--out",          out};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

}  // namespace unlazy::testing
