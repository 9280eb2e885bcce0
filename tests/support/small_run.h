// A run of a second: the base of the tests that train. Each changes what it is about.
#pragma once

#include <string>

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

}  // namespace unlazy::testing
