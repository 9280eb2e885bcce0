// Trains the linearised network as `unlazy train` would train the network itself: same data,
// initialisation, batches, learning rates and label noise, draw for draw. SGD or SAM, in function
// space (linearise/function_space.h). The run directory holds config.json, metrics.csv under the
// names that train uses and, at the end, linearised.safetensors: the weights theta0 + J^T alpha
// under the network's own names.
#pragma once

#include <string>

#include "linearise/kernel.h"
#include "train/experiment.h"
#include "train/loop.h"

namespace unlazy::experiments {

/// The kernel of an experiment's network at its present weights, on its whole training and test
/// set, in evaluation mode, in fp32 or fp64. Throws a misuse Error for bf16.
linearise::Kernel kernel_of(train::Experiment& experiment, int64_t memory);

/// Throws a misuse Error for options that function space does not support: augmentation, optimizers
/// other than sgd and sam (normalised, of the whole batch), clipping, and decay of some parameters.
void check_linearisable(const train::TrainOptions& options);

/// Trains, and records every --measure-every: train_set and test loss and accuracy,
/// distance_from_init, first_layer_norm. `kernel` comes from kernel_of(); `command` is the command
/// that the run belongs to.
train::Outcome run_linearised(const train::TrainOptions& options, const std::string& command,
                              const train::Hooks& hooks, const linearise::Kernel& kernel);

}  // namespace unlazy::experiments
