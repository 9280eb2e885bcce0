// Writes the checkpoints of a run while training goes on.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>

#include <cstdint>
#include <functional>
#include <future>
#include <optional>
#include <string>
#include <vector>

#include "train/checkpoint.h"
#include "train/experiment.h"
#include "train/recorder.h"
#include "train/run_dir.h"

namespace unlazy::train {

/// One thread calls it, between steps. A second thread writes the files, removes old checkpoints,
/// and sees memory of the host only: it makes no call to CUDA, which could break the capture of a
/// CUDA graph, and computes nothing. On a GPU the copies to the host are made in a stream of their
/// own, so training's stream does not wait for them.
class CheckpointWriter {
 public:
  /// References must outlive it. Checkpoints of the steps `spared` and the newest
  /// --keep-checkpoints are kept. `note` is told once, by the calling thread, when one that should
  /// go cannot be removed.
  CheckpointWriter(const RunDir& run, Experiment& experiment, Recorder& recorder,
                   std::vector<int64_t> spared, std::function<void(const std::string&)> note);
  /// Waits for the checkpoint that is being written. Its error is lost: call finish() first.
  ~CheckpointWriter();
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  /// Begins the checkpoint of the state before the update at `step`, which may change once this
  /// returns. At most one is under way: waits for the one before. Throws its Error (see
  /// write_checkpoint()), or that of take_snapshot().
  void start(int64_t step);
  /// Goes on with what can be done without waiting; to be called after each step. Throws the Error
  /// of a checkpoint that could not be written, once.
  void poll();
  /// Waits until the checkpoint is on the disk under its name, and older ones are removed. Throws
  /// its Error.
  void finish();

 private:
  void copy_to_host();
  void write();
  void end();

  const RunDir& run_;
  Experiment& experiment_;
  Recorder& recorder_;
  std::vector<int64_t> spared_;
  std::function<void(const std::string&)> note_;
  Snapshot snapshot_;                  // kept for its memory; the other thread reads it
  std::vector<at::Tensor> on_device_;  // what is being copied to the host
  std::optional<c10::Stream> stream_;  // of these copies
  std::optional<c10::Event> copied_;   // holds an event until writing has begun
  std::future<std::string> writing_;   // why an old checkpoint could not be removed, or ""
};

}  // namespace unlazy::train
