// How compare trains the linearised network, and the kernel at the start of a seed.
#pragma once

#include <cstdint>
#include <string>

#include "linearise/kernel.h"
#include "train/experiment.h"
#include "train/loop.h"

namespace unlazy::experiments {

/// What decides the cost of a comparison.
struct DataSize {
  int64_t num_train, num_test, num_outputs, steps_per_epoch;
};
/// Reads the data.
DataSize size_of(const train::TrainOptions& options);

/// In function space a step reads a kernel of all images; in weight space it is a pass through the
/// network (unlazy train --linearised), for any number of images and any optimizer. Both give the
/// same run.
enum class Space { kFunction, kWeight };
struct SpaceChoice {
  Space space;
  std::string reason;
};

/// --linear-space "function", "weight" or "auto": function space where it can follow `train` and the
/// kernels of all images fit into `memory` bytes. Throws a misuse Error for
/// function space where it cannot follow.
SpaceChoice choose_space(const std::string& asked, const train::TrainOptions& train,
                         const DataSize& size, int64_t memory);
/// "weight space (the kernels would take 9 GB; --ntk-memory is 1 GB)"
std::string text_of(const SpaceChoice& choice);

/// Images of the kernel that finds the learning rate in weight space. The largest eigenvalue grows
/// like the number of images, apart from a bias that makes the rate too small rather than too large.
constexpr int64_t kRateImages = 128;

/// The kernel at the start of a seed: of all images in function space, else of kRateImages (only
/// where a rate is wanted; otherwise it is empty). With train.run.resume it is read from
/// FOLDER/kernel.safetensors if it is there; problems of that file are said, and it is made again.
linearise::Kernel kernel_at_start(Space space, const train::TrainOptions& train,
                                  bool is_rate_wanted, int64_t memory, const std::string& folder,
                                  const train::Hooks& hooks);
/// Writes FOLDER/kernel.safetensors; nothing for an empty kernel.
void save_kernel(const linearise::Kernel& kernel, const std::string& folder);

/// The learning rate that is `fraction` of the largest at which the linearised network is stable.
double learning_rate(const linearise::Kernel& kernel, double fraction,
                     const train::TrainOptions& train, const std::string& folder);

}  // namespace unlazy::experiments
