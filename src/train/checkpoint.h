// A checkpoint is a folder, written under a temporary name and renamed when complete:
//   model.safetensors  weights (master precision) and buffers under PyTorch's names: a state dict
//   state.safetensors  the optimizer's state and the running sums of training
//   meta.json          step, model, and the recorder's state
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "train/experiment.h"
#include "train/recorder.h"
#include "train/run_dir.h"

namespace unlazy::train {

/// Are all weights, buffers and the optimizer's state finite? Waits for the device.
bool is_finite(Experiment& experiment);

/// Writes the checkpoint of the state before the update at `step`. When this returns, it is on the
/// disk under its name. Throws Error when it cannot be written; then nothing of it is left, and
/// older checkpoints are not touched.
void save_checkpoint(const RunDir& run, Experiment& experiment, Recorder& recorder, int64_t step);

/// Loads the weights and buffers of the checkpoint in `folder`, but not the state of training.
/// Throws Error when it belongs to another model or does not fit.
void load_checkpoint_weights(const std::string& folder, Experiment& experiment);

/// Brings the run into the state of its newest checkpoint and returns its step, or nothing if there
/// is no checkpoint. A damaged one is renamed to STEP.damaged, `note` is told, and the one before
/// is used. Throws Error when all are damaged, when they do not belong to this experiment (another
/// model), or when metrics.csv is not a table.
std::optional<int64_t> load_newest_checkpoint(const RunDir& run, Experiment& experiment,
                                              Recorder& recorder,
                                              const std::function<void(const std::string&)>& note);

/// Deletes all checkpoints except the newest `keep` (0: deletes none) and the steps in `spared`,
/// and also unfinished checkpoints. Returns why one could not be deleted, or "" if all went well.
std::string prune_checkpoints(const RunDir& run, int64_t keep, const std::vector<int64_t>& spared);

}  // namespace unlazy::train
