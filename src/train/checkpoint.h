// A checkpoint, a folder written under a temporary name and renamed when complete:
//   model.safetensors  weights (master precision) and buffers, under PyTorch's names: Python loads
//   it as a state dict state.safetensors  optimizer state and running training sums meta.json step,
//   model, and the recorder's state
#pragma once

#include <cstdint>

#include "train/experiment.h"
#include "train/recorder.h"
#include "train/run_dir.h"

namespace unlazy::train {

/// Writes the checkpoint of the state before the update at `step`. Throws Error when it cannot;
/// then no trace of it is left and older checkpoints stay.
void save_checkpoint(const RunDir& run, Experiment& experiment, Recorder& recorder, int64_t step);

/// Loads the weights and buffers of the checkpoint in `folder`, not the state of training. Throws
/// Error when it is of another model or does not fit.
void load_checkpoint_weights(const std::string& folder, Experiment& experiment);

/// Puts the run into the state of its newest checkpoint and returns its step. Throws Error when
/// there is none, or when it does not belong to this experiment (another model, another optimizer).
int64_t load_newest_checkpoint(const RunDir& run, Experiment& experiment, Recorder& recorder);

/// Deletes all but the newest `keep` checkpoints (0: none is deleted), sparing the steps in
/// `spared`.
void prune_checkpoints(const RunDir& run, int64_t keep, const std::vector<int64_t>& spared);

}  // namespace unlazy::train
