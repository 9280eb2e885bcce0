// A checkpoint, a folder written under a temporary name and renamed when complete:
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

/// Writes the checkpoint of the state before the update at `step`, on the disk with its name when
/// this returns. Throws Error when it cannot; then no trace of it is left and older checkpoints
/// stay.
void save_checkpoint(const RunDir& run, Experiment& experiment, Recorder& recorder, int64_t step);

/// Loads the weights and buffers of the checkpoint in `folder`, not the state of training. Throws
/// Error when it is of another model or does not fit.
void load_checkpoint_weights(const std::string& folder, Experiment& experiment);

/// Puts the run into the state of its newest checkpoint and returns its step; none: there is no
/// checkpoint. One that is damaged is passed over for the one before and renamed to STEP.damaged,
/// and `note` is told. Throws Error when all are damaged, when they do not belong to this
/// experiment (another model), or when metrics.csv is no table.
std::optional<int64_t> load_newest_checkpoint(const RunDir& run, Experiment& experiment,
                                              Recorder& recorder,
                                              const std::function<void(const std::string&)>& note);

/// Deletes all but the newest `keep` checkpoints (0: none is deleted), sparing the steps in
/// `spared`, and what was left of checkpoints whose writing was cut off. Returns why one could not
/// be deleted; empty: all went well.
std::string prune_checkpoints(const RunDir& run, int64_t keep, const std::vector<int64_t>& spared);

}  // namespace unlazy::train
