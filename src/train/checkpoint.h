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

#include "core/safetensors.h"
#include "train/experiment.h"
#include "train/recorder.h"
#include "train/run_dir.h"

namespace unlazy::train {

/// Are all weights, buffers and the optimizer's state finite? Waits for the device.
bool is_finite(Experiment& experiment);

/// What a checkpoint holds. It shares no memory with the run, so later steps do not change it.
struct Snapshot {
  int64_t step = 0;
  TensorFile model, state;  // contiguous tensors
  std::string meta;         // the text of meta.json
};

/// Copies the state before the update at `step`, on its device and without waiting for it. The
/// memory of an earlier `snapshot` is used again where it fits. Throws the Error of
/// write_checkpoint() when the recorder's rows cannot be written.
void take_snapshot(const RunDir& run, Experiment& experiment, Recorder& recorder, int64_t step,
                   Snapshot& snapshot);

/// Writes a checkpoint, after the rows that it refers to. When this returns, it is on the disk
/// under its name. Throws Error when it cannot be written; then nothing of it is left, and older
/// checkpoints are not touched. Another thread may train and add rows meanwhile.
void write_checkpoint(const RunDir& run, const Recorder& recorder, const Snapshot& snapshot);

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
