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
/// set, in evaluation mode, in fp32 or fp64, within `memory` bytes. BatchNorm's statistics are first
/// collected as for a linearised network (train/linearise_options.h). Throws a misuse Error for bf16.
linearise::Kernel kernel_of(train::Experiment& experiment, int64_t memory);
/// The same on the first `num_images` training images, without a test set.
linearise::Kernel kernel_of_some(train::Experiment& experiment, int64_t memory, int64_t num_images);

/// Why function space cannot follow `options`: augmentation, optimizers other than sgd and sam
/// (normalised, of the whole batch), clipping, decay of some parameters, masks, bf16. Empty: it can.
std::string function_space_problem(const train::TrainOptions& options);

/// Trains, and records every --measure-every: train_set and test loss and accuracy,
/// distance_from_init, first_layer_norm, and the outputs (output_record.h). `kernel` comes from kernel_of(); `command` is the command
/// that the run belongs to.
train::Outcome run_linearised(const train::TrainOptions& options, const std::string& command,
                              const train::Hooks& hooks, const linearise::Kernel& kernel);

}  // namespace unlazy::experiments
